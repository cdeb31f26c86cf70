package actuators

import (
	"context"
	"errors"
	"fmt"
)

// recover takes up an action that an earlier process left behind, by the state in the journal.
func (r *run) recover() stage {
	r.onDisk = r.a.State
	r.cutShort()
	switch r.a.State {
	case Draining:
		return r.recoverDraining
	case Applying, Verifying:
		return r.recoverApplying
	case Validating:
		return r.recoverValidating
	case RollingBack:
		return r.undo(false)
	}
	return r.finish
}

// recoverDraining lets work in again: nothing was changed yet.
func (r *run) recoverDraining(ctx context.Context) stage {
	r.maintenanceOff(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return r.end(ctx, Cancelled, "nothing was changed: engramd died while draining", interrupted)
}

func interrupted(a *Action) { a.Interrupted = true }

// recoverApplying finds out how far the change got. A platform that does not answer is asked until
// it does: nothing is guessed.
func (r *run) recoverApplying(ctx context.Context) stage {
	st, err := r.observe(ctx, 0)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return r.takeBack(fmt.Sprintf("engramd died while changing it, and it cannot be read: %v", err), interrupted)
	case err == nil && r.a.Resource.IsOperation(), r.a.irreversible():
		return r.finishForward("engramd died while changing it")
	}
	s := stand(r.counted(st), r.a.Resource, r.a.From, r.a.To)
	switch {
	case r.arrived(s):
		return r.verify
	case len(s.other) > 0:
		r.maintenanceOff(ctx)
		return r.end(ctx, Superseded, r.somebodyElse(s))
	}
	return r.takeBack("engramd died while changing it", interrupted)
}

// recoverValidating watches the change from the start again, once.
func (r *run) recoverValidating(ctx context.Context) stage {
	st, err := r.observe(ctx, 0)
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return r.end(ctx, Superseded, r.a.TargetName+" is gone: nothing was touched")
	case err != nil:
		return r.end(ctx, Inconclusive, fmt.Sprintf("the change stays, because it cannot be read (any more): %v", err))
	}
	r.maintenanceOff(ctx)
	if !r.a.Resource.IsOperation() {
		left := Of(r.a, st)
		if !r.fluid() {
			left = st
		}
		s := stand(left, r.a.Resource, r.a.From, r.a.To)
		if (len(s.to) == 0 || len(s.other) > 0) && (len(left.Parts) > 0 || !r.fluid()) {
			return r.end(ctx, Superseded, r.somebodyElse(s))
		}
	}
	if r.a.RestartedValidation {
		return r.end(ctx, Inconclusive, "the change stays: engramd was restarted twice while watching it, so nobody knows whether it helped")
	}
	return r.startValidation("engramd was restarted: watched again from the start", func(a *Action) {
		a.RestartedValidation, a.Checks = true, nil
	})
}

func (r *run) somebodyElse(s standing) string {
	res := r.a.Resource
	if len(s.from)+len(s.to)+len(s.other) == 0 {
		return fmt.Sprintf("nothing shows %s any more: somebody else changed %s, and nothing was touched", res, r.a.TargetName)
	}
	if len(s.from) > 0 && len(s.to)+len(s.other) == 0 {
		return fmt.Sprintf("%s is back at %s: %s was restarted without the change, or somebody took it back, and that is the new baseline",
			res, res.Format(s.seen), r.a.TargetName)
	}
	return fmt.Sprintf("%s is at %s, neither %s nor %s: somebody else changed it, and that is the new baseline",
		res, res.Format(s.seen), res.Format(r.a.From), res.Format(r.a.To))
}
