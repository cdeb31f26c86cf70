package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

const (
	// ownTimeout bounds how long a platform may take to leave something to us, or to take it back.
	ownTimeout = 10 * time.Second
	// ownedFor is how long at least it stays ours after we said so last: a restart of this agent is shorter.
	ownedFor = time.Minute
)

// own takes in hand what the target's platform does by itself and our policies do better, or says again
// that it is ours, and gives it back where that is not so any more. It runs beside the loop, one at a time.
func (a *Agent) own(ctx context.Context, t *target, now time.Time) {
	if t.owning {
		return
	}
	for _, name := range t.cfg.Drivers {
		d, ok := a.drivers[name].(actuators.Owner)
		if !ok {
			continue
		}
		wants := a.mayOwn(t) && a.actsOn(t, d.Owns(), now)
		if !wants && !t.owns {
			continue
		}
		t.owning = true
		known, lasts := t.cfg.Target, max(ownedFor, 6*a.loop.cfg.Metrics.Interval)
		a.loop.beside.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, ownTimeout)
			defer cancel()
			var err error
			if holder := "engramd@" + a.holder; wants {
				err = d.Own(bounded, known, holder, lasts)
			} else {
				err = d.Disown(bounded, known, holder)
			}
			_, _ = call(ctx, a.inbox, func() (struct{}, error) {
				a.ownership(t, wants, err)
				return struct{}{}, nil
			})
		})
		return
	}
}

// mayOwn reports whether the target may be looked after at all. Where somebody wants to be asked first, or nothing to be touched, its
// platform has to go on by itself.
func (a *Agent) mayOwn(t *target) bool {
	name := t.cfg.Name
	return !t.retired && t.blind == "" && t.claim.ask() == nil && a.paused(t) == nil && len(a.loop.frozen(name)) == 0 && a.loop.leaving[name] == nil
}

// actsOn reports whether a policy that acts by itself changes any of these, and sees what it needs for that.
func (a *Agent) actsOn(t *target, all []policy.Resource, now time.Time) bool {
	owners := t.owners(a.drivers)
	for p := range a.loop.policiesOf(t.cfg.Name) {
		if p.Matrix == nil || policy.EffectiveMode(a.loop.cfg.Mode, t.cfg.Mode, p.Mode) != policy.Auto {
			continue
		}
		s, seen := t.policies[p.Name]
		if !seen || s.last.Blind || s.at.IsZero() || now.Sub(s.at) > 3*max(p.Every, a.loop.cfg.Metrics.Interval) {
			continue
		}
		for _, row := range p.Matrix.Rows {
			if !slices.Contains(row.Do, policy.Scale) && !slices.Contains(row.Do, policy.Emergency) {
				continue // nothing of it ever runs by itself
			}
			if slices.ContainsFunc(row.Changes, func(c policy.Change) bool {
				return slices.Contains(all, c.Resource) && owners[c.Resource] != ""
			}) {
				return true
			}
		}
	}
	return false
}

// ownership takes in whose it is now.
func (a *Agent) ownership(t *target, wanted bool, err error) {
	t.owning = false
	if errors.Is(err, context.Canceled) {
		return
	}
	name, owned, news := t.cfg.Name, t.owns, t.says("own", err)
	switch {
	case errors.Is(err, actuators.ErrRefused):
		t.owns = false // somebody else has it
	case err == nil:
		t.owns = wanted
	}
	switch {
	case err != nil && news && wanted:
		a.log.Warn("what the target does by itself cannot be looked after yet", "target", name, "error", err)
	case err != nil && news:
		a.log.Warn("what the target does by itself cannot be given back yet; it goes back when it is not claimed again", "target", name, "error", err)
	case t.owns && !owned:
		a.log.Info("what the target does by itself is looked after by its policies now", "target", name)
	case owned && !t.owns && err == nil:
		a.log.Info("the target looks after itself again", "target", name)
	}
}
