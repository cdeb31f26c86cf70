package agent

import (
	"cmp"
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
)

// recount is how often the count of a decision that only repeats itself is written: what happens at
// every tick must not cost a sync of the disk at every tick.
const recount = time.Minute

// A recorded is the last decision on a resource, and when it was written.
type recorded struct {
	decision policy.Decision
	at       time.Time
}

// record keeps a decision; identical ones become one with a count. What begins an action is always
// written before it does.
func (a *Agent) record(t *target, v *view, now time.Time) {
	d := v.decision
	if p := t.policies[d.Policy]; p != nil {
		d.Diagnosis = cmp.Or(d.Diagnosis, p.diagnosis)
	}
	r := d.Change.Resource
	last := t.recorded[r]
	if last.repeats(d) {
		d = last.decision.Again(d)
		if age := now.Sub(last.at); age >= 0 && age < recount {
			last.decision = d
			t.recorded[r] = last
			a.recorded(v, d)
			return
		}
	}
	kept, err := a.journal.PutDecisions(d)
	if err != nil {
		a.logError("keep a decision", err)
		v.decision.ID = "" // what was not written down is not carried out
		return
	}
	t.recorded[r] = recorded{kept[0], now}
	a.recorded(v, kept[0])
	if v.decision.Count == 1 {
		a.tellDecision(t, *v)
	}
}

func (a *Agent) recorded(v *view, d policy.Decision) {
	v.decision = d
	a.metrics.Decided(d)
}

// repeats reports whether d says again that nothing is done now, for the same cause.
func (r recorded) repeats(d policy.Decision) bool {
	was := r.decision
	return was.ID != "" && was.Same(d) && slices.Equal(holders(was), holders(d)) && (d.Refused != "" || d.Held != nil) &&
		(d.ActionID == "" || d.ActionID == was.ActionID)
}

// holders names everything that holds a decision.
func holders(d policy.Decision) []string {
	if d.Held == nil {
		return nil
	}
	return append([]string{d.Held.By}, d.Held.Also...)
}
