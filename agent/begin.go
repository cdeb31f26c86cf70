package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/rightsize"
)

// handOver bounds how long the executor may take to end what a change supersedes. A change that could
// not begin in that time is decided again.
const handOver = time.Minute

// carryOut makes an action of what nothing holds, for the caller to start, and lets wait what a person
// or a maintenance window holds. A dry run spends what the change would have cost, so that it shows the
// cooldowns and budgets to come.
func (a *Agent) carryOut(t *target, s policy.Situation, v *view) (act actuators.Action, begun bool) {
	d := &v.decision
	switch {
	case d.ID == "": // it could not be recorded
	case v.hash == "":
		a.stillRefused(t, *d)
	case d.Held == nil:
		return a.begin(t, s, v)
	case d.Held.By == policy.HeldByDryRun && len(d.Held.Also) == 0:
		t.shadow = t.shadow.Spend(s.Now, policy.AccountOf(*d), d.ID).Changed(s.Now, d.Change.Resource, d.Direction)
	case d.Held.By == policy.HeldByPlan || d.Held.By == policy.HeldByApproval || d.Held.By == policy.HeldByWindow:
		a.wait(t, s, v)
	default:
		if one, hurts := t.hurting(*d); hurts && d.Held.By == policy.HeldByValidation {
			a.order(one.ID, "it is needed after all"+because(*d), a.executor.Rollback)
		}
		if w := t.waitingFor(v.hash, d.Change.Resource); w != nil {
			a.stillHeld(t, w, *d, s.Now)
		}
	}
	return act, false
}

// hurting returns the decrease that is being watched while a growth of the same resource is wanted: to
// grow again over it would forget that it did harm.
func (t *target) hurting(d policy.Decision) (actuators.Action, bool) {
	for _, one := range t.running {
		if one.Resource == d.Change.Resource && one.State == actuators.Validating && one.Direction == policy.Decrease && d.Direction == policy.Growth {
			return one, true
		}
	}
	return actuators.Action{}, false
}

// order gives the executor an order beside the loop: the action may be looking at its target for as long
// as that takes to answer.
func (a *Agent) order(id, reason string, give func(ctx context.Context, id, reason string) error) {
	a.loop.beside.Go(func() {
		// No bound but the end of the executor: what has ended by then has ended by itself.
		err := give(context.Background(), id, reason)
		if !errors.Is(err, actuators.ErrNotRunning) {
			a.logError("order an action to be taken back", err)
		}
	})
}

// begin pays for a decided change. From here on the target is its alone.
func (a *Agent) begin(t *target, s policy.Situation, v *view) (actuators.Action, bool) {
	act, err := a.newAction(t, s.Now, v)
	if err == nil {
		err = a.pay(t, s.Now, act)
	}
	if err != nil {
		a.log.Error("an action was not begun: it could not be recorded", "target", t.cfg.Name, "error", err)
		return act, false
	}
	if w := t.waiting[act.Resource]; w != nil && w.ID != act.ID {
		if a.end(t, w, s.Now, actuators.Cancelled, "the plan has changed: now "+sizes(v.decision)) != nil {
			return act, false
		}
	}
	delete(t.waiting, act.Resource)
	t.running[act.ID] = act
	v.decision.ActionID = act.ID
	_, err = a.journal.PutDecisions(v.decision)
	a.logError("keep a decision", err)
	return act, true
}

// start hands an action to the executor. What it supersedes ends first; that can take as long as a
// look of the other action at its target, so it happens beside the loop.
func (a *Agent) start(ctx context.Context, t *target, act actuators.Action) {
	ctx = a.acting(ctx)
	before := t.supersededBy(act)
	if len(before) == 0 {
		a.begun(t, act, a.executor.Start(ctx, act))
		return
	}
	decided := time.Now()
	a.loop.beside.Go(func() {
		ended, err := a.supersede(ctx, before)
		_, _ = call(ctx, a.inbox, func() (struct{}, error) {
			a.takeUpdates()
			for _, old := range ended {
				t.follow(old)
			}
			if err == nil {
				err = a.stillWanted(t, act, decided)
			}
			if err == nil {
				act = t.following(act)
				err = a.executor.Start(ctx, act)
			}
			a.begun(t, act, err)
			return struct{}{}, nil
		})
	})
}

// supersede ends what is being watched and a further change of the same resource follows.
func (a *Agent) supersede(ctx context.Context, ids []string) (ended []actuators.Action, err error) {
	for _, id := range ids {
		old, err := a.executor.Supersede(ctx, id)
		switch {
		case errors.Is(err, actuators.ErrNotRunning): // it has ended by itself
		case err != nil:
			return ended, err
		default:
			ended = append(ended, old)
		}
	}
	return ended, nil
}

// stillWanted asks what may have happened while an action waited for another to end.
func (a *Agent) stillWanted(t *target, act actuators.Action, decided time.Time) error {
	_, frozen := a.loop.frozen(t.cfg.Name)[act.Resource]
	switch {
	case t.retired:
		return errors.New("the target is no longer configured")
	case frozen:
		return fmt.Errorf("%s was frozen meanwhile", act.Resource)
	case a.paused(t) != nil:
		return errors.New("the target was paused meanwhile")
	case time.Since(decided) > handOver:
		return errors.New("the action before took too long to end: it is decided again")
	}
	return nil
}

// begun notes whether the executor took an action. One that it did not take has cost nothing, and
// waits on if it had been waiting.
func (a *Agent) begun(t *target, act actuators.Action, err error) {
	if err == nil {
		delete(t.superseded, act.Resource)
		a.noteEpisode(t, act.Decision)
		return
	}
	a.log.Warn("an action could not be begun", "target", t.cfg.Name, "action", act.ID, "error", err)
	delete(t.running, act.ID)
	t.ledger = t.ledger.Refund(act.ID)
	a.logError("give back what was not spent", a.putLedger(t.cfg.Name, t.ledger))
	if act.State == actuators.Waiting && t.waiting[act.Resource] == nil {
		t.waiting[act.Resource] = &act
	}
	a.letGo(t)
}

// supersededBy lists what is under way on the resource that act is to change.
func (t *target) supersededBy(act actuators.Action) (ids []string) {
	for _, id := range sortedKeys(t.running) {
		if one := t.running[id]; one.Resource == act.Resource && id != act.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// follow remembers an action that was superseded for a further one, which undoes it as well.
func (t *target) follow(old actuators.Action) {
	if old.State == actuators.Superseded {
		t.superseded[old.Resource] = old
	}
}

// following makes act the successor of what was superseded for it.
func (t *target) following(act actuators.Action) actuators.Action {
	if old, ok := t.superseded[act.Resource]; ok && old.To == act.From && old.Direction == act.Direction {
		act.Follows(old)
	}
	return act
}

// pay notes what the target had before engramd, and books the change, before anything is touched.
func (a *Agent) pay(t *target, now time.Time, act actuators.Action) error {
	if err := a.keepOriginal(act); err != nil {
		return err
	}
	ledger := t.ledger.Spend(now, policy.AccountOf(act.Decision), act.ID)
	if err := a.putLedger(t.cfg.Name, ledger); err != nil {
		return err
	}
	t.ledger = ledger
	return nil
}

// newAction makes the action of a decision. One that has been waiting goes on under its id.
func (a *Agent) newAction(t *target, now time.Time, v *view) (actuators.Action, error) {
	act, err := a.actionOf(t, now, v)
	if w := t.waitingFor(v.hash, v.decision.Change.Resource); err == nil && w != nil {
		act.ID, act.State, act.Times, act.Approval, act.LastTrue = w.ID, w.State, w.Times, w.Approval, w.LastTrue
		act.Decision.ActionID = w.ID
	}
	return t.following(act), err
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
		Target:     t.subject(),
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
	if d.Change.Resource == policy.EvictNow { // what becomes hot meanwhile is no verdict on it, and nobody else evicts
		p.RetryAfter = min(p.RetryAfter, p.Validation.Duration)
	}
	// A person has bounded the target, whether that helps or not.
	p.Asked = d.Source == policy.FromSchedule || d.Source == policy.FromRightsize && d.Condition == string(rightsize.Limits)
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
