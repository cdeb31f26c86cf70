package agent

import (
	"cmp"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

func newID() string { return journal.NewID() }

func compare(x, y string) int { return cmp.Compare(x, y) }

// wait keeps a change for which a person or a maintenance window is awaited. A plan that is another
// than the one waiting takes its place; an approval of the old one is void.
func (a *Agent) wait(t *target, s policy.Situation, v *view) {
	r := v.decision.Change.Resource
	if w := t.waiting[r]; w != nil {
		if w.PlanHash == v.hash {
			a.stillHeld(t, w, v)
			return
		}
		a.end(t, w, s.Now, actuators.Cancelled, "the plan has changed: now "+sizes(v.decision))
	}
	act, err := a.actionOf(t, s.Now, v)
	if err != nil {
		a.logError("prepare an action", err)
		return
	}
	act.State = actuators.Waiting
	act.Reason = v.decision.Held.Text
	act.Times = append(act.Times, actuators.Transition{State: actuators.Waiting, At: s.Now, Reason: act.Reason})
	if err := a.journal.Put(act); err != nil {
		a.logError("keep a waiting action", err)
		return
	}
	t.waiting[r] = &act
	v.decision.ActionID = act.ID
	v.decision.Outcome = actuators.Waiting
	if _, err := a.journal.PutDecisions(v.decision); err != nil {
		a.logError("keep a decision", err)
	}
	a.noteEpisode(t, v.decision)
	a.tellWaiting(t, act)
}

// stillHeld updates what a waiting action waits for, once it is something else.
func (a *Agent) stillHeld(t *target, w *actuators.Action, v *view) {
	v.decision.ActionID = w.ID
	if w.Decision.Held != nil && w.Decision.Held.By == v.decision.Held.By {
		return
	}
	w.Decision.Held = v.decision.Held
	w.Reason = v.decision.Held.Text
	a.logError("keep a waiting action", a.journal.Put(*w))
	a.tellWaiting(t, *w)
}

// sweepWaiting ends what has waited in vain: its condition is gone, or nobody answered in time.
func (a *Agent) sweepWaiting(t *target, s policy.Situation) {
	for _, w := range t.waiting {
		if a.holding(t, w) {
			w.LastTrue = s.Now
		}
		cfg := t.cfg.Safety
		switch asked := w.Since(); {
		case policy.Gone(s.Now, w.LastTrue, cfg.Recheck):
			a.end(t, w, s.Now, actuators.Cancelled, "its condition is gone: "+w.Decision.Condition+" has not held since "+w.LastTrue.Format(time.RFC3339))
		case w.Approval == nil && asksPerson(w) && s.Now.Sub(asked) > cfg.ApprovalTTL:
			a.end(t, w, s.Now, actuators.Expired, "nobody approved it within "+cfg.ApprovalTTL.String())
		case w.Approval != nil && !s.Now.Before(w.Approval.Expires):
			a.end(t, w, s.Now, actuators.Expired, "its turn did not come before the approval expired")
		}
	}
}

// asksPerson reports whether it is a person's yes that a waiting action needs.
func asksPerson(w *actuators.Action) bool {
	held := w.Decision.Held
	return held != nil && (held.By == policy.HeldByApproval || held.By == policy.HeldByPlan)
}

// holding reports whether the row that a waiting action came from holds at the moment.
func (a *Agent) holding(t *target, w *actuators.Action) bool {
	if p, ok := t.policies[w.Decision.Policy]; ok {
		return slices.Contains(p.last.Holding, w.Decision.Row)
	}
	return a.alertFires(t, w.Decision.Policy)
}

// end brings a waiting action to an end without anything having been touched.
func (a *Agent) end(t *target, w *actuators.Action, now time.Time, outcome actuators.ActionState, reason string) {
	w.State, w.Reason = outcome, reason
	w.Times = append(w.Times, actuators.Transition{State: outcome, At: now, Reason: reason})
	a.logError("keep an ended action", a.journal.Put(*w))
	delete(t.waiting, w.Resource)
	a.closeDecision(*w)
	a.metrics.Action(*w)
	a.emit(policy.Event{
		Type: policy.EventState, Severity: policy.Info, Target: t.cfg.Name, Resource: w.Resource, Action: w.ID,
		Decision: w.Decision.ID, From: w.From, To: w.To, Outcome: outcome,
		Message: reason,
	})
}

// closeDecision writes the outcome of an action on the decision that it came from.
func (a *Agent) closeDecision(one actuators.Action) {
	d, err := a.journal.Decision(one.Decision.ID)
	if err != nil {
		return // an action adopted from another agent has its decision there
	}
	d.ActionID, d.Outcome = one.ID, one.State
	d.Diagnosis = cmp.Or(one.Diagnosis, d.Diagnosis)
	_, err = a.journal.PutDecisions(d)
	a.logError("keep a decision's outcome", err)
}

func sizes(d policy.Decision) string {
	r := d.Change.Resource
	return r.Format(d.From) + " -> " + r.Format(d.To)
}
