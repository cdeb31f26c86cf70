package policy

import "time"

// A Start says when a change that is bound to a maintenance window may begin.
type Start struct {
	// At is when it may begin; now or earlier is at once. Zero if a person must say so.
	At time.Time
	// Ask says that a person must approve, because no maintenance window comes in time.
	Ask  bool
	Text string
}

// StartIn finds the first opening of w that begins before the deadline (zero: none) and still holds
// need. Where there is none, at says what becomes of it. A nil w asks.
func StartIn(w *MaintenanceWindow, now, deadline time.Time, at AtDeadline, need time.Duration) Start {
	return Start{Ask: true}
}

// Gone reports whether the condition of a waiting action is gone: its row has not held for its `for`
// at any time in the last recheck. lastHeld is when it last did; see [Evaluation].Holding.
func Gone(now, lastHeld time.Time, recheck time.Duration) bool { return now.Sub(lastHeld) >= recheck }

// Fresh reports whether evidence that looks back over lookBack from now lies after freshAt as a
// whole. Alerts use it with their longest range + for.
func Fresh(now, freshAt time.Time, lookBack time.Duration) bool {
	return !now.Add(-lookBack).Before(freshAt)
}
