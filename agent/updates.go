package agent

import (
	"bytes"
	"cmp"
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
	if !known && actuators.Final(one.State) {
		if t.committed[one.Resource].ID == one.ID {
			t.committed[one.Resource] = one // its leftovers were cleared away
		}
		if !one.Unfinished {
			delete(t.leftovers, one.ID)
			a.letGo(t)
		}
		return
	}
	t.running[one.ID] = one
	if known && was.State == one.State {
		return
	}
	switch {
	case changed(one.State):
		a.noteChange(t, one, now)
	case actuators.Final(one.State) && !touched(one):
		if !handled(one) {
			t.ledger = t.ledger.Refund(one.ID)
		}
		a.coolDown(t, one, now) // or it would be tried again at every tick
	}
	if one.Decision.Policy == releasePolicy && hasItsAnswer(one) {
		a.logError("forget a release", a.putRelease(t, one.Resource, ""))
	}
	a.closeDecision(one)
	a.metrics.Action(one)
	if actuators.Final(one.State) {
		a.ended(t, one, now)
	}
}

// ended takes in how an action has ended.
func (a *Agent) ended(t *target, one actuators.Action, now time.Time) {
	delete(t.running, one.ID)
	switch {
	case one.State == actuators.RolledBack && t.committed[one.Resource].ID == one.ID:
		delete(t.committed, one.Resource) // we took it back ourselves
	case one.State == actuators.Failed:
		a.freezeAfter(t, one, now)
	case actuators.Stays(one.State) && touched(one):
		t.committed[one.Resource] = one
		if one.Decision.Policy == releasePolicy {
			a.logError("forget the original of a released resource", a.journal.DropOriginal(t.cfg.Name, one.Resource))
		}
	}
	if one.RetryAfter.After(now) {
		t.tried = append(t.tried, attemptOf(one))
	}
	a.letGo(t)
}

// letGo forgets a target that the configuration does not name any more, once nothing of it is open.
func (a *Agent) letGo(t *target) {
	if one := a.loop.leaving[t.cfg.Name]; one != nil && !one.Done {
		return
	}
	if t.retired && len(t.running)+len(t.leftovers)+len(t.releases) == 0 && a.loop.targets[t.cfg.Name] == t {
		a.forget(t)
	}
}

// changed reports whether an action that has just entered state s has changed the target's size.
func changed(s actuators.ActionState) bool {
	return s == actuators.Validating || s == actuators.RolledBack || s == actuators.Failed
}

// handled reports whether an action got so far as to drain or change anything.
func handled(one actuators.Action) bool {
	return slices.ContainsFunc(one.Times, func(x actuators.Transition) bool { return actuators.Exclusive(x.State) })
}

// touched reports whether an action got so far as to change the target.
func touched(one actuators.Action) bool {
	return slices.ContainsFunc(one.Times, func(x actuators.Transition) bool { return changed(x.State) })
}

// hasItsAnswer reports whether nobody needs to begin the action again: it is in effect, or has ended for a reason of its own.
func hasItsAnswer(one actuators.Action) bool {
	return one.State == actuators.Validating || actuators.Final(one.State) && (!one.Interrupted || one.State == actuators.Failed)
}

// noteChange begins the cooldowns, and the time before which samples are no evidence.
func (a *Agent) noteChange(t *target, one actuators.Action, now time.Time) {
	t.changedAt = now
	t.freshAt[one.Resource] = now.Add(one.Procedure.Validation.Settle)
	delete(t.superseded, one.Resource)
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

// attemptOf is what to remember of a change that is not to be tried again. The demand under which less
// was tried is what there was before: with less it could not show.
func attemptOf(one actuators.Action) policy.Attempt {
	demand := one.DemandCores
	if one.Direction == policy.Decrease && one.Baseline != nil {
		demand = cmp.Or(one.Baseline.Usage.Cores, demand)
	}
	return policy.Attempt{
		Resource: one.Resource, Policy: one.Decision.Policy, Row: one.Decision.Row, From: one.From, To: one.To,
		DemandCores: demand, At: one.Since(), RetryAfter: one.RetryAfter, Action: one.ID, What: whatBecame(one),
	}
}

// whatBecame says why a change is not tried again, "" where it had no effect: only then it was diagnosed.
func whatBecame(one actuators.Action) string {
	switch {
	case one.State == actuators.Rejected || one.State == actuators.Cancelled:
		return "was " + string(one.State)
	case one.State == actuators.RolledBack && one.Diagnosis == "":
		return "was taken back"
	}
	return ""
}

func (a *Agent) putLedger(name string, l policy.Ledger) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode the ledger of %s: %w", name, err)
	}
	return a.journal.PutLedger(name, text)
}

// keepOriginal notes, once, which size a resource had before engramd.
func (a *Agent) keepOriginal(one actuators.Action) error {
	if one.Resource.IsOperation() {
		return nil
	}
	known, err := a.journal.Originals(one.TargetName)
	if err != nil {
		return err
	}
	for _, o := range known {
		if o.Resource != one.Resource || bytes.Equal(o.Spec, one.SpecJSON) {
			continue
		}
		if err := a.journal.DropOriginal(o.Target, o.Resource); err != nil {
			return err
		}
		a.emit(policy.Event{
			Type: policy.EventAgent, Severity: policy.Warning, Target: o.Target, Resource: o.Resource,
			Message: fmt.Sprintf("%s of %s %s was %s before engramd; the configuration names another one by now, so engramd release will not give it back",
				o.Resource, o.Driver, o.Spec, o.Resource.Format(o.Size)),
		})
	}
	_, err = a.journal.KeepOriginal(journal.Original{
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
