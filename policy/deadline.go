package policy

import (
	"fmt"
	"time"
)

// A Start says when a change that is bound to a maintenance window may begin.
type Start struct {
	// At is when it may begin; now or earlier is at once. Zero if a person must say so.
	At time.Time
	// Ask says that a person must approve, because no maintenance window comes in time.
	Ask  bool
	Text string
}

// StartIn finds the first opening of w in which a change can begin before the deadline (zero: there is
// none) and end before it closes. Where there is none, at says what becomes of it: a person is asked
// at once, who then has time until the deadline, or it begins at the deadline. A nil w asks.
func StartIn(w *MaintenanceWindow, now, deadline time.Time, at AtDeadline, need time.Duration) Start {
	if w == nil {
		return Start{Ask: true, Text: "no maintenance window is declared for the target, so a person must approve"}
	}
	if begin, ok := w.fit(now, deadline, need); ok {
		if !begin.After(now) {
			return Start{At: begin, Text: fmt.Sprintf("the maintenance window %s is open and holds the %s needed", w.Name, FormatDuration(need))}
		}
		return Start{At: begin, Text: fmt.Sprintf("waits for the maintenance window %s, which opens at %s", w.Name, clock(begin))}
	}
	missed := fmt.Sprintf("no maintenance window %s holds the %s needed", w.Name, FormatDuration(need))
	if deadline.IsZero() {
		return Start{Ask: true, Text: missed + "; a person must approve"}
	}
	missed += " before the deadline " + clock(deadline)
	if at == RunAtDeadline {
		return Start{At: deadline, Text: missed + ", so it runs at the deadline"}
	}
	return Start{Ask: true, Text: missed + "; a person must approve"}
}

// maxOpenings is how many openings are looked at for one that is long enough.
const maxOpenings = 1000

// fit finds the first instant at or after now, and before the deadline, from which w stays open for
// need. Openings that overlap are one.
func (w *MaintenanceWindow) fit(now, deadline time.Time, need time.Duration) (time.Time, bool) {
	inTime := func(begin time.Time) bool { return deadline.IsZero() || begin.Before(deadline) }
	opening, ok := w.Open(now)
	begin := now
	if !ok {
		if opening, ok = w.Next(now); !ok {
			return time.Time{}, false
		}
		begin = opening.Opens
	}
	for range maxOpenings {
		if !inTime(begin) {
			return time.Time{}, false
		}
		if !begin.Add(need).After(opening.Closes) {
			return begin, true
		}
		next, ok := w.Next(opening.Opens)
		if !ok {
			return time.Time{}, false
		}
		if next.Opens.After(opening.Closes) {
			begin = next.Opens
		}
		opening = next
	}
	return time.Time{}, false
}

// Gone reports whether the condition of a waiting action is gone: its row has not held for its `for`
// at any time in the last recheck. lastHeld is when it last did; see [Evaluation].Holding.
func Gone(now, lastHeld time.Time, recheck time.Duration) bool { return now.Sub(lastHeld) >= recheck }

// Fresh reports whether evidence that looks back over lookBack from now lies after freshAt as a
// whole. Alerts use it with their longest range + for.
func Fresh(now, freshAt time.Time, lookBack time.Duration) bool {
	return !now.Add(-lookBack).Before(freshAt)
}
