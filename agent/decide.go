package agent

import (
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
	if t.retired {
		return
	}
	s, err := a.situation(t, now)
	if err != nil {
		a.unseen(t, err)
		return
	}
	if t.blind != "" {
		t.blind = ""
		a.log.Info("target can be seen again", "target", t.cfg.Name)
		a.emit(policy.Event{Type: policy.EventBlind, Severity: policy.Info, Target: t.cfg.Name, Message: t.cfg.Name + " can be seen again"})
	}
	a.watchOthers(t, now)
	t.ledger, t.shadow = s.Ledger, s.Shadow
	if reason, _ := t.claim.standby(); reason != "" {
		t.views = nil
		return
	}
	a.rollBackOnAlerts(ctx, t, now)
	a.sweepWaiting(t, s)
	t.views = a.plan(t, s)
	a.record(t)
	for i := range t.views {
		a.carryOut(ctx, t, s, &t.views[i])
	}
}

// unseen notes that a target cannot be decided upon. It is blind and nothing else.
func (a *Agent) unseen(t *target, err error) {
	t.views = nil
	if t.blind == "" && !errors.Is(err, errUnseen) {
		a.log.Warn("target cannot be seen; nothing is changed", "target", t.cfg.Name, "reason", err)
		a.emit(policy.Event{Type: policy.EventBlind, Severity: policy.Warning, Target: t.cfg.Name, Message: "nothing is changed: " + err.Error()})
	}
	t.blind = err.Error()
}

// plan decides and has the drivers plan, and says what holds each decision. It changes nothing.
func (a *Agent) plan(t *target, s policy.Situation) []view {
	var views []view
	for _, d := range policy.Decide(s) {
		v := view{decision: d}
		a.planOne(t, s, &v)
		views = append(views, v)
	}
	return views
}

func (a *Agent) planOne(t *target, s policy.Situation, v *view) {
	d := &v.decision
	name := s.Owners[d.Change.Resource]
	if d.Refused != "" || name == "" || (d.To == d.From && d.Direction != policy.Operation) {
		return
	}
	plan, err := a.drivers[name].Plan(t.cfg.Target, t.observer.last(name).state, policy.Size{d.Change.Resource: d.To})
	if err != nil {
		d.Refused = err.Error()
		d.Held = nil
		return
	}
	v.plan = plan
	v.hash = actuators.PlanHash(d.From, d.To, plan)
	d.Strategy = plan.Strategy
	in := s.HoldInputs(*d)
	in.Approved = t.approved(d.Change.Resource, v.hash, s.Now)
	d.Held = policy.Hold(*d, in)
	if w := t.waiting[d.Change.Resource]; w != nil && w.PlanHash == v.hash {
		d.ActionID = w.ID
	}
}

// approved reports whether a person said yes to exactly this plan, and the yes still holds.
func (t *target) approved(r policy.Resource, hash string, now time.Time) bool {
	w := t.waiting[r]
	return w != nil && w.Approval != nil && w.Approval.PlanHash == hash && w.PlanHash == hash && now.Before(w.Approval.Expires)
}

// record keeps the decisions; identical ones become one with a count.
func (a *Agent) record(t *target) {
	ds := make([]policy.Decision, len(t.views))
	for i, v := range t.views {
		ds[i] = v.decision
	}
	kept, err := a.journal.PutDecisions(ds...)
	if err != nil {
		a.logError("keep decisions", err)
		return
	}
	for i, d := range kept {
		t.views[i].decision = d
		a.metrics.Decided(d)
		if d.Count == 1 {
			a.tellDecision(t, t.views[i])
		}
	}
}

// carryOut begins what nothing holds, and lets wait what a person or a maintenance window holds. A dry
// run spends what the change would have cost, so that it shows the cooldowns and budgets to come.
func (a *Agent) carryOut(ctx context.Context, t *target, s policy.Situation, v *view) {
	d := &v.decision
	if d.Refused != "" || v.hash == "" || d.ID == "" {
		return
	}
	switch {
	case d.Held == nil:
		a.begin(ctx, t, s, v)
	case d.Held.By == policy.HeldByDryRun && len(d.Held.Also) == 0:
		t.shadow = t.shadow.Spend(s.Now, policy.AccountOf(*d), d.ID).Changed(s.Now, d.Change.Resource, d.Direction)
	case d.Held.By == policy.HeldByPlan || d.Held.By == policy.HeldByApproval || d.Held.By == policy.HeldByWindow:
		a.wait(t, s, v)
	}
}

// begin hands a decided change to the executor.
func (a *Agent) begin(ctx context.Context, t *target, s policy.Situation, v *view) {
	d := v.decision
	act, err := a.newAction(t, s, v)
	if err != nil {
		a.logError("prepare an action", err)
		return
	}
	before := t.ledger
	if err := a.pay(t, s, act); err != nil {
		a.log.Error("an action was not begun: it could not be recorded", "target", t.cfg.Name, "error", err)
		return
	}
	if err := a.supersede(ctx, t, &act); err != nil {
		a.log.Warn("the action before cannot be superseded yet", "target", t.cfg.Name, "action", act.ID, "error", err)
		t.ledger = before
		a.logError("give back what was not spent", a.putLedger(t.cfg.Name, before))
		return
	}
	if err := a.executor.Start(a.acting(ctx), act); err != nil {
		a.log.Warn("an action could not be begun", "target", t.cfg.Name, "action", act.ID, "error", err)
		return
	}
	delete(t.waiting, d.Change.Resource)
	t.running[act.ID] = act
	v.decision.ActionID = act.ID
	a.noteEpisode(t, d)
	if _, err := a.journal.PutDecisions(v.decision); err != nil {
		a.logError("keep a decision", err)
	}
}

// supersede ends a validating growth of the same resource that act is a further growth of.
func (a *Agent) supersede(ctx context.Context, t *target, act *actuators.Action) error {
	for id, r := range t.running {
		if r.Resource != act.Resource || actuators.Final(r.State) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, orderTimeout)
		old, err := a.executor.Supersede(limited, id)
		cancel()
		if errors.Is(err, actuators.ErrNotRunning) {
			continue
		}
		if err != nil {
			return err
		}
		act.Follows(old)
	}
	return nil
}

// pay notes what the target had before engramd, and books the change, before anything is touched.
func (a *Agent) pay(t *target, s policy.Situation, act actuators.Action) error {
	if err := a.keepOriginal(act); err != nil {
		return err
	}
	account := policy.AccountOf(act.Decision)
	ledger := t.ledger.Spend(s.Now, account, act.ID)
	if err := a.putLedger(t.cfg.Name, ledger); err != nil {
		return err
	}
	t.ledger = ledger
	return nil
}

// newAction makes the action of a decision, or takes the one that has been waiting.
func (a *Agent) newAction(t *target, s policy.Situation, v *view) (actuators.Action, error) {
	if w := t.waiting[v.decision.Change.Resource]; w != nil && w.PlanHash == v.hash {
		act := *w
		act.Target = t.cfg.Target
		act.Procedure = a.procedure(t, v.decision)
		return act, nil
	}
	return a.actionOf(t, s.Now, v)
}

func (a *Agent) actionOf(t *target, now time.Time, v *view) (actuators.Action, error) {
	d := v.decision
	name := t.owners(a.drivers)[d.Change.Resource]
	spec, err := t.specJSON(name)
	if err != nil {
		return actuators.Action{}, fmt.Errorf("record where %s is: %w", t.cfg.Name, err)
	}
	act := actuators.Action{
		ID:         newID(),
		Decision:   d,
		Target:     t.cfg.Target,
		TargetName: t.cfg.Name,
		Driver:     name,
		SpecJSON:   spec,
		Resource:   d.Change.Resource,
		Direction:  d.Direction,
		From:       d.From,
		To:         d.To,
		First:      d.From,
		State:      actuators.Proposed,
		Plan:       v.plan,
		PlanHash:   v.hash,
		Procedure:  a.procedure(t, d),
		Parts:      actuators.PartIDsOf(t.observer.last(name).state),
		LastTrue:   now,
		Times:      []actuators.Transition{{State: actuators.Proposed, At: now}},
	}
	act.Decision.ActionID = act.ID
	return act, nil
}

// procedure is the target's, with the signals that led to the decision.
func (a *Agent) procedure(t *target, d policy.Decision) actuators.Procedure {
	p := t.cfg.Procedure
	p.RetryAfter = t.cfg.Safety.RetryAfter
	for one := range a.loop.policiesOf(t.cfg.Name) {
		if one.Name != d.Policy || one.Matrix == nil || d.Row < 1 || d.Row > len(one.Matrix.Rows) {
			continue
		}
		row := one.Matrix.Rows[d.Row-1]
		for signal, in := range row.When {
			p.Trigger = append(p.Trigger, actuators.Trigger{Expr: one.Matrix.Signals[signal], In: in})
		}
	}
	slices.SortFunc(p.Trigger, func(x, y actuators.Trigger) int { return compare(x.Expr, y.Expr) })
	return p
}
