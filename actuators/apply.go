package actuators

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/policy"
)

// apply does the plan's steps, each journalled before it is done. A stop of the agent waits for them
// as long as the grace period lasts.
func (r *run) apply(ctx context.Context) stage {
	if ctx.Err() != nil {
		return r.leaveDrained(ctx)
	}
	if err := r.enter(Applying, ""); err != nil {
		r.unjournalled(err)
		r.maintenanceOff(ctx)
		return r.end(ctx, Cancelled, "nothing was changed, because the journal cannot be written")
	}
	lasting, done := r.inGrace(ctx)
	defer done()
	if next := r.carryOut(lasting); next != nil {
		return next
	}
	if lasting.Err() != nil {
		return nil
	}
	return r.verify
}

// carryOut does the steps. It returns nil when all are done, else what follows.
func (r *run) carryOut(lasting context.Context) stage {
	for i, s := range r.a.Plan.Steps {
		begun := i < r.a.Done // before: by an earlier process, or to be applied again now
		if err := r.record(func(a *Action) { a.Done = max(a.Done, i+1) }); err != nil {
			r.unjournalled(err)
			return r.takeBack("the journal cannot be written, so the change was stopped half-way")
		}
		r.step("do", s.Text)
		err := r.touch(lasting, "do", s, r.x.cfg.RetryFor)
		switch {
		case err == nil:
		case errors.Is(err, ErrGone):
			r.step("do", fmt.Sprintf("nothing is left to do there: %v", err))
		case lasting.Err() != nil:
			return r.stopped
		case errors.Is(err, errDisowned):
			return r.disowned(err)
		default:
			if s.Irreversible && !begun && errors.Is(err, ErrRefused) {
				_ = r.noted(func(a *Action) { a.Done = i }) // it did nothing, so there may be a way back
			}
			return r.takeBack(err.Error())
		}
	}
	return nil
}

// stopped ends a run because the agent stops: the journal says where a successor goes on. What is
// drained is let in again as far as possible.
func (r *run) stopped(ctx context.Context) stage {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	r.maintenanceOff(bounded)
	return nil
}

// disowned ends a run because another agent has the target now, and recovers the action from the
// record in the lock.
func (r *run) disowned(err error) stage {
	r.event(policy.EventStandby, policy.Warning, fmt.Sprintf("left to the other agent: %v", err), nil)
	return over
}
