package actuators

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/engramd/engramd/policy"
)

// Holds reports whether value meets the line.
func (q Require) Holds(value float64) bool {
	switch q.Op {
	case "<":
		return value < q.Than
	case "<=":
		return value <= q.Than
	case ">":
		return value > q.Than
	case ">=":
		return value >= q.Than
	case "==":
		return value == q.Than
	}
	return false
}

// String writes the line as a person would.
func (q Require) String() string {
	return fmt.Sprintf("%s %s %s", q.Expr, q.Op, strconv.FormatFloat(q.Than, 'g', -1, 64))
}

// holdsNow reads one line of the checklist, nil if it is unknown.
func (r *run) holdsNow(ctx context.Context, q Require) *bool {
	value, _, known := r.read(ctx, q.Expr)
	if !known {
		return nil
	}
	holds := q.Holds(value)
	return &holds
}

// checklist reads the target's checklist once it has settled. A line counts as broken after as many
// looks in a row as the effect has checks: one odd sample is not a fault. A growth is taken back for
// it only if the line held before and nothing says that the growth is needed.
func (r *run) checklist(ctx context.Context, w *watch) stage {
	w.lines = w.lines[:0]
	for i, line := range r.a.Procedure.Require {
		holds := r.holdsNow(ctx, line)
		w.lines = append(w.lines, holds)
		if holds == nil || *holds || time.Now().Before(w.settled) {
			w.failing[i] = 0
			continue
		}
		if w.failing[i]++; w.failing[i] < w.v.Checks {
			continue
		}
		if r.a.Direction == policy.Growth && (!r.heldBefore(i) || !r.judged(w) || r.needed() != "") {
			continue
		}
		return r.takeBack("does not hold: " + line.String())
	}
	return nil
}

// judged reports that a growth was found without effect by all its checks; as long as it may help,
// or did, the checklist can wait for its end.
func (r *run) judged(w *watch) bool {
	shown := verdict(r.a.Checks)
	return w.verdictGiven && (shown == nil || !*shown)
}

func (r *run) heldBefore(i int) bool {
	b := r.a.Baseline
	return b != nil && i < len(b.Require) && b.Require[i] != nil && *b.Require[i]
}

// checklistNow lists the lines that did not hold at the last look, and those that were unknown.
func (r *run) checklistNow(w *watch) (failing, unknown []string) {
	for i, holds := range w.lines {
		switch line := r.a.Procedure.Require[i].String(); {
		case holds == nil:
			unknown = append(unknown, line)
		case !*holds:
			failing = append(failing, line)
		}
	}
	return failing, unknown
}
