package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// decide decides about t and begins what nothing holds.
func (a *Agent) decide(ctx context.Context, t *target, now time.Time) {
	t.views = nil
	if t.retired {
		return
	}
	state, err := a.seen(t, now)
	switch {
	case errors.Is(err, errStale):
		return
	case err != nil:
		a.unseen(t, err)
		return
	}
	a.seenAgain(t)
	if err := t.claim.ask(); err != nil {
		return // another agent decides
	}
	// What these find out binds the decisions below.
	t.ledger, t.shadow, t.tried = t.ledger.Trim(now), t.shadow.Trim(now), unexpired(t.tried, now)
	a.watchOthers(t, now)
	a.diagnoseOnAlerts(ctx, t, now)
	a.sweepWaiting(t, now)
	if a.rollBackOnAlerts(ctx, t, now) {
		return // first see what comes of it
	}
	s := a.situation(t, state, now)
	var begun []actuators.Action
	for _, d := range policy.Decide(s) {
		if t.carriesOut(d) {
			continue // it is being done
		}
		// What the decision before has begun and spent counts for the next.
		s.Actions, s.Ledger, s.Shadow = t.open(), t.ledger, t.shadow
		v := a.plan(t, s, d)
		a.record(t, &v)
		if act, ok := a.carryOut(t, s, &v); ok {
			begun = append(begun, act)
		}
		t.views = append(t.views, v)
	}
	for _, act := range begun {
		a.start(ctx, t, act)
	}
}

// carriesOut reports whether the target is just being changed as d wants it.
func (t *target) carriesOut(d policy.Decision) bool {
	return slices.ContainsFunc(t.open(), func(one policy.OpenAction) bool {
		return actuators.Exclusive(one.State) && one.State != actuators.RollingBack &&
			one.Resource == d.Change.Resource && one.Policy == d.Policy && one.Row == d.Row && one.To == d.To
	})
}

// unseen notes that a target cannot be decided upon. It is blind and nothing else.
func (a *Agent) unseen(t *target, err error) {
	if !t.toldBlind && !errors.Is(err, errUnseen) {
		t.toldBlind = true
		a.log.Warn("target cannot be seen; nothing is changed", "target", t.cfg.Name, "reason", err)
		a.emit(policy.Event{Type: policy.EventBlind, Severity: policy.Warning, Target: t.cfg.Name, Message: "nothing is changed: " + err.Error()})
	}
	t.blind = err.Error()
}

// seenAgain notes that a target can be decided upon, and says so where the contrary was said.
func (a *Agent) seenAgain(t *target) {
	t.blind = ""
	if !t.toldBlind {
		return
	}
	t.toldBlind = false
	a.log.Info("target can be seen again", "target", t.cfg.Name)
	a.emit(policy.Event{Type: policy.EventBlind, Severity: policy.Info, Target: t.cfg.Name, Message: t.cfg.Name + " can be seen again"})
}

// plan has the driver plan a decision, and says what holds it. It changes nothing.
func (a *Agent) plan(t *target, s policy.Situation, d policy.Decision) view {
	v := view{decision: d}
	name := s.Owners[d.Change.Resource]
	if d.Refused != "" || name == "" || (d.To == d.From && d.Direction != policy.Operation) {
		return v
	}
	plan, err := a.drivers[name].Plan(s.Target, t.observer.last(name).state, policy.Size{d.Change.Resource: d.To})
	if err != nil {
		v.decision.Refused, v.decision.Held = err.Error(), nil
		return v
	}
	plan.Notes = append(plan.Notes, t.hints(d, plan)...)
	v.plan = plan
	v.hash = actuators.PlanHash(d.From, d.To, plan)
	d.Strategy, d.Runtime = plan.Strategy, t.inside()
	in := s.HoldInputs(d)
	in.Approved = t.approved(d.Change.Resource, v.hash, s.Now)
	d.Held = policy.Hold(d, in)
	if one, hurts := t.hurting(d); hurts && d.Held == nil {
		d.Held = &policy.Held{By: policy.HeldByValidation, Text: fmt.Sprintf("action %s, which made less of %s, is taken back first", one.ID, one.Resource)}
	}
	if w := t.waitingFor(v.hash, d.Change.Resource); w != nil {
		d.ActionID = w.ID
		if w.Decision.Policy == d.Policy && w.Decision.Row == d.Row {
			d = w.Decision.Again(d) // also where something else holds it by now
		}
	}
	v.decision = d
	return v
}

// record keeps a decision; identical ones become one with a count.
func (a *Agent) record(t *target, v *view) {
	if p := t.policies[v.decision.Policy]; p != nil {
		v.decision.Diagnosis = cmp.Or(v.decision.Diagnosis, p.diagnosis)
	}
	kept, err := a.journal.PutDecisions(v.decision)
	if err != nil {
		a.logError("keep a decision", err)
		v.decision.ID = "" // what was not written down is not carried out
		return
	}
	v.decision = kept[0]
	a.metrics.Decided(v.decision)
	if v.decision.Count == 1 {
		a.tellDecision(t, *v)
	}
}

// unexpired leaves out the attempts that bar nothing any more.
func unexpired(tried []policy.Attempt, now time.Time) []policy.Attempt {
	var left []policy.Attempt
	for _, one := range tried {
		if one.RetryAfter.After(now) {
			left = append(left, one)
		}
	}
	return left
}
