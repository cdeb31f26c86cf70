package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// takeUpdates takes in how the executor's actions have moved.
func (a *Agent) takeUpdates() {
	for _, one := range a.inbox.take() {
		t := a.loop.targets[one.TargetName]
		if t == nil {
			continue
		}
		a.takeUpdate(t, one, time.Now())
	}
}

func (a *Agent) takeUpdate(t *target, one actuators.Action, now time.Time) {
	was, known := t.running[one.ID]
	t.running[one.ID] = one
	if known && was.State == one.State {
		return
	}
	switch {
	case changed(one.State):
		a.noteChange(t, one, now)
	case actuators.Final(one.State) && !touched(one):
		a.coolDown(t, one, now) // or it would be tried again at every tick
	}
	a.closeDecision(one)
	a.metrics.Action(one)
	if !actuators.Final(one.State) {
		return
	}
	delete(t.running, one.ID)
	switch one.State {
	case actuators.RolledBack:
		if t.committed[one.Resource].ID == one.ID {
			delete(t.committed, one.Resource) // we took it back ourselves
		}
	case actuators.Failed:
		a.freezeAfter(t, one, now)
	default:
		if stays(one.State) && touched(one) {
			t.committed[one.Resource] = one
		}
	}
	if one.RetryAfter.After(now) {
		t.tried = append(t.tried, attemptOf(one))
	}
	if one.State == actuators.RolledBack && one.Decision.Policy == releasePolicy {
		return
	}
	if one.Decision.Policy == releasePolicy && one.State != actuators.Failed {
		a.logError("forget the original of a released resource", a.journal.DropOriginal(t.cfg.Name, one.Resource))
	}
	if t.retired && len(t.running) == 0 {
		a.forget(t)
	}
}

// changed reports whether an action that has just entered state s has changed the target's size.
func changed(s actuators.ActionState) bool {
	return s == actuators.Validating || s == actuators.RolledBack || s == actuators.Failed
}

// touched reports whether an action got so far as to change the target.
func touched(one actuators.Action) bool {
	return slices.ContainsFunc(one.Times, func(x actuators.Transition) bool { return changed(x.State) })
}

// noteChange begins the cooldowns, and the time before which samples are no evidence.
func (a *Agent) noteChange(t *target, one actuators.Action, now time.Time) {
	t.freshAt[one.Resource] = now.Add(one.Procedure.Validation.Settle)
	a.coolDown(t, one, now)
}

func (a *Agent) coolDown(t *target, one actuators.Action, now time.Time) {
	t.ledger = t.ledger.Changed(now, one.Resource, one.Direction)
	a.logError("keep a ledger", a.putLedger(t.cfg.Name, t.ledger))
}

// freezeAfter keeps a resource as it is after a failure, until a person has looked.
func (a *Agent) freezeAfter(t *target, one actuators.Action, now time.Time) {
	f := journal.Freeze{
		Target: t.cfg.Name, Resource: one.Resource, By: "engramd", At: now,
		Reason: fmt.Sprintf("action %s failed: %s", one.ID, one.Reason),
	}
	a.freeze(f, policy.Critical)
}

func (a *Agent) freeze(f journal.Freeze, severity policy.Severity) {
	a.logError("keep a freeze", a.journal.PutFreeze(f))
	a.loop.freezes = append(withoutFreeze(a.loop.freezes, f.Target, f.Resource), f)
	a.emit(policy.Event{
		Type: policy.EventFreeze, Severity: severity, Target: f.Target, Resource: f.Resource,
		Message: fmt.Sprintf("%s of %s is frozen: %s; look at it, then run: engramd unfreeze %s", resourceName(f.Resource), f.Target, f.Reason, f.Target),
	})
}

func attemptOf(one actuators.Action) policy.Attempt {
	return policy.Attempt{
		Resource: one.Resource, Policy: one.Decision.Policy, Row: one.Decision.Row, From: one.From, To: one.To,
		DemandCores: one.DemandCores, At: one.Since(), RetryAfter: one.RetryAfter, Action: one.ID,
	}
}

func (a *Agent) putLedger(name string, l policy.Ledger) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode the ledger of %s: %w", name, err)
	}
	return a.journal.PutLedger(name, text)
}

func (a *Agent) keepOriginal(one actuators.Action) error {
	_, err := a.journal.KeepOriginal(journal.Original{
		Target: one.TargetName, Resource: one.Resource, Size: one.From, Driver: one.Driver, Spec: one.SpecJSON, At: time.Now(),
	})
	return err
}

// acting is the context that actions live in: they outlive the request or the tick that began them,
// and end with the executor's Close.
func (a *Agent) acting(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func resourceName(r policy.Resource) string {
	if r == "" {
		return "everything"
	}
	return string(r)
}
