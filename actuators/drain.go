package actuators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/policy"
)

// How long a drain waits for somebody else's maintenance to end, and how often it looks.
const (
	othersMaintenance = 15 * time.Minute
	lookForOthers     = 5 * time.Second
	lookForInFlight   = time.Second
)

// errAborted says that a person or an alert stopped a drain.
var errAborted = errors.New("aborted")

// drain stops new work before a restart. Nothing of the target is changed yet: whatever fails here
// switches maintenance off again and ends the action.
func (r *run) drain(ctx context.Context) stage {
	if err := r.enter(Draining, "stopping new work before the restart"); err != nil {
		r.unjournalled(err)
		return r.end(ctx, Cancelled, "nothing was changed, because the journal cannot be written")
	}
	err := r.drained(ctx)
	switch {
	case err == nil:
		return r.apply
	case ctx.Err() != nil:
		return r.leaveDrained(ctx)
	}
	r.maintenanceOff(ctx)
	return r.end(ctx, Cancelled, fmt.Sprintf("nothing was changed: %v", err))
}

// leaveDrained ends a drain because the agent stops.
func (r *run) leaveDrained(ctx context.Context) stage {
	lasting, done := r.inGrace(ctx)
	defer done()
	r.maintenanceOff(lasting)
	return r.end(lasting, Cancelled, fmt.Sprintf("nothing was changed: engramd stopped while draining (%v)", context.Cause(ctx)), interrupted)
}

func (r *run) drained(ctx context.Context) error {
	if b := r.a.Procedure.Backup; b != nil {
		err := r.timed("backup", "", "look for a backup that is young enough", func() error { return r.backedUp(ctx, *b) })
		if err != nil {
			return err
		}
		r.step("backup", "there is a backup young enough")
	}
	d := r.a.Procedure.Drain
	if d == nil {
		return nil
	}
	err := r.timed("others", "", "see that nobody else has maintenance on", func() error { return r.othersOff(ctx, *d) })
	if err == nil {
		err = r.timed("enable", "", "switch maintenance on", func() error { return r.maintenanceOn(ctx, *d) })
	}
	if err != nil {
		return err
	}
	return r.timed("idle", "", "wait for what is in flight", func() error { return r.idle(ctx, *d, time.Now()) })
}

// othersOff waits while somebody else has switched maintenance on.
func (r *run) othersOff(ctx context.Context, d Drain) error {
	for began, told := time.Now(), false; ; told = true {
		m, err := r.maintenance(ctx, d)
		if err != nil {
			return fmt.Errorf("cannot tell whether somebody else has maintenance on: %w", err)
		}
		if !m.on || m.ours(r.a.ID) {
			return nil
		}
		if !told {
			r.step("drain", fmt.Sprintf("%s has maintenance on: waiting", m.who()))
		}
		if time.Since(began) >= othersMaintenance {
			return fmt.Errorf("%s still has maintenance on after %s; it is decided again", m.who(), policy.FormatDuration(othersMaintenance))
		}
		if err := r.patient(ctx, lookForOthers); err != nil {
			return err
		}
	}
}

// idle waits until nothing is in flight, by a sample taken after maintenance was on, or until the
// settle time is over.
func (r *run) idle(ctx context.Context, d Drain, since time.Time) error {
	for time.Since(since) < d.Settle {
		if d.InFlight != "" {
			value, at, known := r.read(ctx, d.InFlight)
			if known && at.After(since) && value == 0 {
				r.step("drain", "nothing is in flight")
				return nil
			}
		}
		if err := r.patient(ctx, min(lookForInFlight, d.Settle-time.Since(since))); err != nil {
			return err
		}
	}
	r.step("drain", fmt.Sprintf("settled for %s", policy.FormatDuration(d.Settle)))
	return nil
}

// patient waits for d, and fails with errAborted when a person or an alert takes the action back.
func (r *run) patient(ctx context.Context, d time.Duration) error {
	for until := time.Now().Add(d); ; {
		o, err := r.pause(ctx, time.Until(until))
		switch {
		case err != nil:
			return err
		case o.reply == nil:
			return nil
		case o.kind != orderSupersede:
			o.reply <- answer{action: r.a}
			return fmt.Errorf("%w: %s", errAborted, o.reason)
		}
		o.reply <- answer{err: fmt.Errorf("%w: %s is %s", ErrNotRunning, r.a.ID, r.a.State)}
	}
}

// maintenanceOn switches maintenance on and keeps it renewed until it is switched off. That we did
// is journalled first.
func (r *run) maintenanceOn(ctx context.Context, d Drain) error {
	if err := r.record(func(a *Action) { a.MaintenanceOn = true }); err != nil {
		r.unjournalled(err)
		return err
	}
	x, hold := r.x, holdRequest(r.a.ID) // not r: the renewal runs beside it
	enable := func(ctx context.Context) error {
		_, err := x.expect(ctx, d.Enable, hold)
		return err
	}
	if err := r.thrice(ctx, enable); err != nil {
		return fmt.Errorf("switch maintenance on: %w", err)
	}
	r.step("drain", "maintenance on")
	r.renews = renew(ctx, enable)
	return nil
}

// maintenanceOff switches maintenance off if we switched it on, and never if somebody else did.
func (r *run) maintenanceOff(ctx context.Context) error {
	r.stopRenewing()
	d := r.a.Procedure.Drain
	if !r.a.MaintenanceOn || d == nil {
		return nil
	}
	if m, err := r.maintenance(ctx, *d); err == nil && d.Status != nil && (!m.on || !m.ours(r.a.ID)) {
		if m.on {
			r.step("drain", fmt.Sprintf("%s has maintenance on: left as it is", m.who()))
		}
		return r.noted(func(a *Action) { a.MaintenanceOn = false })
	}
	disable := func(ctx context.Context) error {
		_, err := r.x.expect(ctx, d.Disable, releaseRequest(r.a.ID))
		return err
	}
	if err := r.timed("disable", "", "switch maintenance off", func() error { return r.thrice(ctx, disable) }); err != nil {
		r.event(policy.EventFailure, policy.Critical,
			fmt.Sprintf("maintenance of %s could not be switched off (%v): do it by hand; it ends by itself after %s where the service honours ttl",
				r.a.TargetName, err, policy.FormatDuration(holdTTL)), nil)
		return fmt.Errorf("switch maintenance off: %w", err)
	}
	r.step("drain", "maintenance off")
	return r.noted(func(a *Action) { a.MaintenanceOn = false })
}

// noted journals a fact that is true already. A journal that cannot take it makes recovery look
// again, which does no harm.
func (r *run) noted(edit func(a *Action)) error {
	if err := r.record(edit); err != nil {
		r.unjournalled(err)
		next := r.a
		edit(&next)
		r.set(next)
	}
	return nil
}

// thrice makes a request up to three times: it goes to a service that may be starting or overloaded.
func (r *run) thrice(ctx context.Context, request func(context.Context) error) error {
	var err error
	for try, pause := 0, firstPause; try < 3; try, pause = try+1, longer(pause) {
		if try > 0 && sleep(ctx, pause) != nil {
			return err
		}
		if err = request(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}
