package agent

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

func newID() string { return journal.NewID() }

func compare(x, y string) int { return cmp.Compare(x, y) }

// wait keeps a change for which a person or a maintenance window is awaited. A plan that is another
// than the one waiting takes its place; an approval of the old one is void.
func (a *Agent) wait(t *target, s policy.Situation, v *view) {
	r := v.decision.Change.Resource
	before := t.waiting[r]
	if before != nil && before.PlanHash == v.hash {
		a.stillHeld(t, before, v.decision, s.Now)
		return
	}
	act, err := a.actionOf(t, s.Now, v)
	if err != nil {
		a.logError("prepare an action", err)
		return
	}
	if before != nil {
		if a.end(t, before, s.Now, actuators.Cancelled, "the plan has changed: now "+sizes(v.decision)) != nil {
			return
		}
		if !a.holding(t, act) {
			act.LastTrue = before.LastTrue // nobody saw its condition since
		}
	}
	act.State = actuators.Waiting
	act.Reason = v.decision.Held.Text
	act.Times = append(act.Times, actuators.Transition{State: actuators.Waiting, At: s.Now, Reason: act.Reason})
	act.Decision.Outcome = actuators.Waiting
	if err := a.journal.Put(act); err != nil {
		a.logError("keep a waiting action", err)
		return
	}
	t.waiting[r] = &act
	v.decision = act.Decision
	_, err = a.journal.PutDecisions(v.decision)
	a.logError("keep a decision", err)
	a.noteEpisode(t, v.decision)
	a.tellWaiting(t, act)
}

// stillHeld takes over how a waiting action was decided again. What it waits for is told once it is
// something else, and a person's time to answer begins when a person is asked.
func (a *Agent) stillHeld(t *target, w *actuators.Action, d policy.Decision, now time.Time) {
	before := w.Decision.Held
	w.Decision = d
	if before != nil && before.By == d.Held.By {
		return
	}
	next := *w
	next.Reason = d.Held.Text
	next.Times = waitingSince(w.Times, now, next.Reason)
	if a.keep(w, next) == nil {
		a.tellWaiting(t, next)
	}
}

// stillRefused says of an action that waits why it cannot be had at the moment.
func (a *Agent) stillRefused(t *target, d policy.Decision) {
	if w := t.waiting[d.Change.Resource]; w != nil && d.Refused != "" {
		w.Reason, w.Decision.Held = "not now: "+d.Refused, nil
	}
}

// waitingSince begins the time that an action waits for something anew. It replaces the last
// transition, so that a wait that changes often does not grow without end.
func waitingSince(times []actuators.Transition, now time.Time, reason string) []actuators.Transition {
	times = slices.Clone(times)
	times[len(times)-1] = actuators.Transition{State: actuators.Waiting, At: now, Reason: reason}
	return times
}

// keep writes a waiting action down as next, and only then makes it so.
func (a *Agent) keep(w *actuators.Action, next actuators.Action) error {
	if err := a.journal.Put(next); err != nil {
		a.logError("keep a waiting action", err)
		return err
	}
	*w = next
	return nil
}

// sweepWaiting ends what has waited in vain: nothing asks for it any more, its condition is gone, or
// nobody answered in time.
func (a *Agent) sweepWaiting(t *target, now time.Time) {
	for _, r := range sortedKeys(t.waiting) {
		w := t.waiting[r]
		if a.holding(t, *w) {
			a.seenTrue(t, w, now)
		}
		cfg := t.cfg.Safety
		end := func(outcome actuators.ActionState, format string, args ...any) {
			_ = a.end(t, w, now, outcome, fmt.Sprintf(format, args...)) // else at the next tick
		}
		_, asked := a.asks(t, w.Decision.Proposal)
		switch {
		case !asked:
			end(actuators.Cancelled, "the configuration does not ask for it any more")
		case policy.Gone(now, w.LastTrue, cfg.Recheck):
			end(actuators.Cancelled, "its condition is gone: %s has not held since %s", w.Decision.Condition, w.LastTrue.Format(time.RFC3339))
		case w.Approval == nil && asksPerson(w) && now.Sub(w.Since()) > cfg.ApprovalTTL:
			end(actuators.Expired, "nobody approved it within %s", cfg.ApprovalTTL)
		case w.Approval != nil && !now.Before(w.Approval.Expires):
			end(actuators.Expired, "its turn did not come before the approval expired")
		}
	}
}

// seenTrue notes that the condition of a waiting action holds, and now and then writes that down: a
// restart must not take it for gone.
func (a *Agent) seenTrue(t *target, w *actuators.Action, now time.Time) {
	often := t.cfg.Safety.Recheck / 24
	was := w.LastTrue
	w.LastTrue = now
	if !was.Truncate(often).Equal(now.Truncate(often)) {
		_ = a.keep(w, *w) // else at the next turn; a restart would only ask again
	}
}

// asksPerson reports whether it is a person's yes that a waiting action needs.
func asksPerson(w *actuators.Action) bool {
	held := w.Decision.Held
	return held != nil && (held.By == policy.HeldByApproval || held.By == policy.HeldByPlan)
}

// holding reports whether what a waiting action came from holds at the moment: a row, an alert, what a
// right-size policy wants, hours that are open.
func (a *Agent) holding(t *target, w actuators.Action) bool {
	switch w.Decision.Source {
	case policy.FromAlert:
		return a.alertFires(t, w.Decision.Policy)
	case policy.FromRightsize:
		return t.stillWanted(w)
	case policy.FromSchedule:
		return a.hoursOpen(w.Decision.Policy, w.Resource, time.Now())
	case policy.FromTarget:
		return true // for as long as the target asks for it
	}
	p, ok := t.policies[w.Decision.Policy]
	return ok && slices.Contains(p.last.Holding, w.Decision.Row)
}

// asks reports whether the configuration of now still asks for what p proposes, and in which mode.
func (a *Agent) asks(t *target, p policy.Proposal) (mode policy.Mode, ok bool) {
	if p.Source == policy.FromTarget {
		return "", p.Change.To != nil && t.cfg.CPUs == p.Change.To.Placement
	}
	if p.Source == policy.FromAlert {
		for _, b := range a.loop.cfg.Rules.OnAlert {
			if b.Alert == p.Policy && b.Target == t.cfg.Name && changes(b.Changes, p.Change) {
				return b.Mode, true
			}
		}
		return "", false
	}
	if mode, ok := a.follows(t, p); ok || p.Source == policy.FromRightsize || p.Source == policy.FromSchedule {
		return mode, ok
	}
	for one := range a.loop.policiesOf(t.cfg.Name) {
		if row, ok := rowOf(one, p); ok && slices.Contains(row.Do, p.Verdict) && changes(row.Changes, p.Change) {
			return one.Mode, true
		}
	}
	return "", false
}

// rowOf finds the row of a policy that p came from, if it still reads the same.
func rowOf(one config.Policy, p policy.Proposal) (policy.Row, bool) {
	switch {
	case one.Name != p.Policy || one.Matrix == nil:
	case p.Row == 0 && one.Matrix.Otherwise != nil:
		return *one.Matrix.Otherwise, true
	case p.Row > 0 && p.Row <= len(one.Matrix.Rows):
		row := one.Matrix.Rows[p.Row-1]
		return row, row.Condition() == p.Condition
	}
	return policy.Row{}, false
}

// changes reports whether c is one of all.
func changes(all []policy.Change, c policy.Change) bool {
	return slices.ContainsFunc(all, func(o policy.Change) bool { return reflect.DeepEqual(o, c) })
}

// end brings a waiting action to an end without anything having been touched. What cannot be written
// down waits on.
func (a *Agent) end(t *target, w *actuators.Action, now time.Time, outcome actuators.ActionState, reason string) error {
	ended := *w
	ended.State, ended.Reason = outcome, reason
	ended.Times = append(slices.Clone(w.Times), actuators.Transition{State: outcome, At: now, Reason: reason})
	if err := a.keep(w, ended); err != nil {
		return err
	}
	delete(t.waiting, w.Resource)
	a.closeDecision(*w)
	a.metrics.Action(*w)
	a.emit(policy.Event{
		Type: policy.EventState, Severity: policy.Info, Target: t.cfg.Name, Resource: w.Resource, Action: w.ID,
		Decision: w.Decision.ID, From: w.From, To: w.To, Outcome: outcome,
		Message: reason,
	})
	return nil
}

func sizes(d policy.Decision) string {
	r := d.Change.Resource
	if r.IsOperation() {
		return "once"
	}
	return r.Format(d.From) + " -> " + r.Format(d.To)
}
