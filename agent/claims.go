package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// keyTimeout bounds how long a platform may take to say who a target is, or whose it is.
const keyTimeout = 10 * time.Second

// claims finds the claim of a target from any goroutine.
type claims struct {
	mu  sync.Mutex
	all map[string]*claim
}

func (c *claims) set(target string, one *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]*claim{}
	}
	c.all[target] = one
}

func (c *claims) drop(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, target)
}

func (c *claims) get(target string) (*claim, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.all[target]
	return one, ok
}

// claimAll tries, beside the loop, for every target that this agent does not hold.
func (a *Agent) claimAll(ctx context.Context) {
	for _, name := range a.loop.names() {
		t := a.loop.targets[name]
		if a.loop.isLeft(name) {
			continue
		}
		if a.onlyLooks(t) {
			a.onlyLook(t)
			continue
		}
		if t.claim.beginCheck() {
			a.loop.beside.Go(func() { a.checkClaim(t.claim, name) })
			continue
		}
		if len(t.cfg.Drivers) == 0 || !t.claim.begin() {
			continue
		}
		with := locking{
			dir: a.locks, dataDir: a.opts.Config.DataDir, holder: a.holder,
			driver: a.drivers[t.cfg.Drivers[0]], target: t.cfg.Target,
		}
		a.loop.beside.Go(func() {
			limited, cancel := context.WithTimeout(ctx, keyTimeout)
			defer cancel()
			left, err := t.claim.take(limited, with)
			_, _ = call(ctx, a.inbox, func() (struct{}, error) {
				a.claimed(ctx, t, left, err)
				return struct{}{}, nil
			})
		})
	}
}

// onlyLooks reports whether nothing of a target is to be touched: in a dry run, once what was begun
// before it is over and what somebody wants back is given back.
func (a *Agent) onlyLooks(t *target) bool {
	return a.loop.cfg.Mode == policy.DryRun && len(t.running)+len(t.leftovers)+len(t.releases) == 0 && a.loop.leaving[t.cfg.Name] == nil
}

func (a *Agent) onlyLook(t *target) {
	t.toldStandby = false
	if lock := t.claim.look(); lock != nil {
		a.loop.beside.Go(func() { a.logError("give a target's lock back", lock.Close()) })
	}
}

// checkClaim asks a platform's lock whether it still holds. One that was lost is taken again at the next
// turn. It runs beside the loop.
func (a *Agent) checkClaim(c *claim, target string) {
	defer c.endCheck()
	if err := c.check(); err != nil && !errors.Is(err, actuators.ErrTransient) {
		a.log.Warn("the lock of a target was lost", "target", target, "error", err)
	}
}

// claimed takes in how an attempt ended: on standby the target is watched and not touched; with the
// lock comes what its last holder left open.
func (a *Agent) claimed(ctx context.Context, t *target, left []actuators.Action, err error) {
	if err != nil {
		was, _ := t.claim.standby()
		wasOthers := t.claim.isOthers()
		err = t.claim.settle(nil, nil, err)
		same := was == err.Error() || wasOthers && t.claim.isOthers() // whose it is may be told with how long
		if !errors.Is(err, errGivenBack) && !same {
			a.log.Warn("target is on standby", "target", t.cfg.Name, "reason", err)
			t.toldStandby = true
			a.emit(policy.Event{Type: policy.EventStandby, Severity: policy.Warning, Target: t.cfg.Name, Message: "standing by: " + err.Error()})
		}
		return
	}
	a.log.Info("target is ours to act on", "target", t.cfg.Name)
	if t.toldStandby {
		t.toldStandby = false
		a.emit(policy.Event{Type: policy.EventStandby, Severity: policy.Info, Target: t.cfg.Name, Message: "taken over: no other agent holds it any more"})
	}
	for _, one := range left {
		known, err := a.journal.Action(one.ID)
		if errors.Is(err, journal.ErrNotFound) {
			known = one
		} else if err != nil {
			a.log.Error("action left by another agent cannot be compared with the journal", "target", t.cfg.Name, "action", one.ID, "error", err)
			continue
		}
		switch {
		case actuators.NeedsRecovery(known):
			known.TargetName = t.cfg.Name
			a.logError("keep the original of a resource", a.keepOriginal(known)) // as far as this agent can know it
			t.takeUp(known)
		case actuators.Final(known.State):
			a.loop.beside.Go(func() { a.logError("clear the record of an ended action", t.claim.record(known)) })
		}
	}
	t.claim.setReady()
	a.takeUpLost(ctx, t, a.executor.Active())
}

// takeUpLost hands the executor what was under way and what it does not have: what an earlier process
// left, and what it left itself when the target's lock was lost.
func (a *Agent) takeUpLost(ctx context.Context, t *target, active []actuators.Action) {
	if reason, _ := t.claim.standby(); reason != "" {
		return
	}
	open := maps.Clone(t.running)
	maps.Copy(open, t.leftovers)
	for _, id := range sortedKeys(open) {
		one := open[id]
		has := slices.ContainsFunc(active, func(o actuators.Action) bool { return o.ID == id })
		if actuators.NeedsRecovery(one) && !has && !t.stuck[id] {
			a.recover(ctx, t, one)
		}
	}
}

func (a *Agent) recover(ctx context.Context, t *target, one actuators.Action) {
	one.Target = a.targetOf(t, one)
	one.TargetName = t.cfg.Name
	err := a.executor.Recover(a.acting(ctx), one)
	switch {
	case errors.Is(err, actuators.ErrBusy), errors.Is(err, actuators.ErrClosed): // at its turn
	case err != nil:
		t.stuck[one.ID] = true
		a.log.Error("action cannot be recovered", "target", t.cfg.Name, "action", one.ID, "error", err)
		a.emit(policy.Event{
			Type: policy.EventFailure, Severity: policy.Critical, Target: t.cfg.Name, Resource: one.Resource, Action: one.ID,
			From: one.From, To: one.To,
			Message: fmt.Sprintf("action %s (%s of %s) was left %s and cannot be recovered: %v", one.ID, one.Resource, t.cfg.Name, one.State, err),
		})
	}
}

// owned is asked by the executor right before it touches a target.
func (a *Agent) owned(_ context.Context, one actuators.Action) error {
	c, ok := a.claims.get(one.TargetName)
	if !ok {
		return fmt.Errorf("target %s is not this agent's", one.TargetName)
	}
	return c.check()
}

// Put keeps an action in the journal and beside the target's lock. It implements
// [actuators.Journal].
func (a *Agent) Put(one actuators.Action) error {
	if err := a.journal.Put(one); err != nil {
		return err
	}
	if c, ok := a.claims.get(one.TargetName); ok {
		return c.record(one)
	}
	return nil
}

// dropClaims lets other agents have the targets.
func (a *Agent) dropClaims() {
	var all sync.WaitGroup
	for _, t := range a.loop.targets {
		all.Go(func() { a.logError("give a target's lock back", t.claim.release()) })
	}
	all.Wait()
}

// dropClaim lets other agents have one target. A platform's lock is given back beside the loop.
func (a *Agent) dropClaim(t *target) {
	drop := func() { a.logError("give a target's lock back", t.claim.release()) }
	if t.claim.isRemote() {
		a.loop.beside.Go(drop)
		return
	}
	drop()
}

func (a *Agent) logError(what string, err error) {
	if err != nil {
		a.log.Error("something could not be kept; see error", "what", what, "error", err)
	}
}
