package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// reconcileTimeout bounds how long one target's late parts may take. An action that begins meanwhile
// waits as long.
const reconcileTimeout = 30 * time.Second

// reconcile has the drivers of a target bring parts that came later to the size that was committed,
// beside the loop and one at a time. It is no decision: it costs no budget and begins no cooldown.
func (a *Agent) reconcile(ctx context.Context, t *target) {
	if t.reconciling || !a.mayReconcile(t) {
		return
	}
	drivers, known := a.reconcilers(t), t.cfg.Target
	if len(drivers) == 0 {
		return
	}
	t.reconciling = true
	a.loop.beside.Go(func() {
		done, err := a.reconcileAll(ctx, t.claim, drivers, known)
		_, _ = call(ctx, a.inbox, func() (struct{}, error) {
			a.reconciled(t, done, err)
			return struct{}{}, nil
		})
	})
}

// mayReconcile reports whether a target may be touched outside an action.
func (a *Agent) mayReconcile(t *target) bool {
	name := t.cfg.Name
	changing := slices.ContainsFunc(t.open(), func(one policy.OpenAction) bool { return actuators.Exclusive(one.State) })
	dryRun := policy.EffectiveMode(a.loop.cfg.Mode, t.cfg.Mode, "") == policy.DryRun
	return !t.retired && !changing && !dryRun && t.blind == "" && t.claim.ask() == nil &&
		a.paused(t) == nil && len(a.loop.frozen(name)) == 0 && a.loop.leaving[name] == nil
}

func (a *Agent) reconcilers(t *target) (all []actuators.Reconciler) {
	for _, name := range t.cfg.Drivers {
		if d, ok := a.drivers[name].(actuators.Reconciler); ok {
			all = append(all, d)
		}
	}
	return all
}

// reconcileAll runs beside the loop, and keeps the executor from the target meanwhile.
func (a *Agent) reconcileAll(ctx context.Context, c *claim, drivers []actuators.Reconciler, t policy.Target) (done []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	err = a.executor.Alone(ctx, t.Name, func(ctx context.Context) error {
		if err := c.check(); err != nil {
			return err
		}
		var errs []error
		for _, d := range drivers {
			did, err := d.Reconcile(ctx, t)
			done, errs = append(done, did...), append(errs, err)
		}
		return errors.Join(errs...)
	})
	return done, err
}

// reconciled takes in what was done about late parts.
func (a *Agent) reconciled(t *target, done []string, err error) {
	t.reconciling = false
	if len(done) > 0 {
		t.changedAt = time.Now() // what was observed before is not so any more
		a.emit(policy.Event{
			Type: policy.EventReconcile, Severity: policy.Info, Target: t.cfg.Name,
			Message: "brought to the committed size: " + strings.Join(done, "; "),
		})
	}
	switch {
	case errors.Is(err, actuators.ErrBusy), errors.Is(err, actuators.ErrHeld), errors.Is(err, actuators.ErrClosed), errors.Is(err, context.Canceled):
		return // at another turn, or not ours any more
	case t.says("reconcile", err) && err != nil:
		a.log.Warn("parts that came later cannot be brought to the committed size yet", "target", t.cfg.Name, "error", err)
		a.emit(policy.Event{
			Type: policy.EventReconcile, Severity: policy.Warning, Target: t.cfg.Name,
			Message: "parts that came later cannot be brought to the committed size yet: " + err.Error(),
		})
	}
}

// says reports whether something has another fault than it had when this was asked last.
func (t *target) says(what string, err error) bool {
	text := ""
	if err != nil {
		text = err.Error()
	}
	was := t.faults[what]
	if t.faults[what] = text; text == "" {
		delete(t.faults, what)
	}
	return was != text
}
