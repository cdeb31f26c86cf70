package actuators

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/policy"
)

// begin is where an action that the agent decided to run starts.
func (r *run) begin() stage { return r.revalidate }

// revalidate looks at the target once more before anything is touched: the plan may be old. Nothing
// has been done so far, so whatever is not as planned ends the action.
func (r *run) revalidate(ctx context.Context) stage {
	var st State
	err := r.timed("look", "", "look at the target once more", func() (err error) {
		st, err = r.observe(ctx, r.x.cfg.RetryFor)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return nil // still waiting in the journal: decided again
	case errors.Is(err, ErrNotFound):
		return r.end(ctx, Cancelled, fmt.Sprintf("%s does not exist (any more)", r.a.TargetName))
	case err != nil:
		return r.end(ctx, Cancelled, fmt.Sprintf("nothing was changed, because the target could not be read: %v", err))
	}
	if why, ok := r.stillPlanned(st); !ok {
		return r.end(ctx, Cancelled, why+"; it is decided again")
	}
	if !r.a.Resource.IsOperation() {
		if s := stand(r.counted(st), r.a.Resource, r.a.From, r.a.To); !r.ready(s) {
			return r.notAtFrom(ctx, s)
		}
	}
	if err := r.owned(ctx); err != nil {
		return r.end(ctx, Cancelled, fmt.Sprintf("nothing was changed: %v", err))
	}
	if why, ok := r.room(ctx, st, r.a.To); !ok {
		return r.end(ctx, Kept, "not done: "+why)
	}
	_ = r.timed("baseline", "", "measure what it does before the change", func() error {
		r.measureBaseline(ctx)
		return nil
	})
	if r.a.Plan.Strategy == policy.Restart {
		return r.drain
	}
	return r.apply
}

// notAtFrom ends an action whose target is not at its From any more.
func (r *run) notAtFrom(ctx context.Context, s standing) stage {
	res := r.a.Resource
	switch {
	case len(s.down) > 0:
		return r.end(ctx, Cancelled, fmt.Sprintf("%s is not running; it is decided again", s.down[0]))
	case len(s.to) > 0 && len(s.from)+len(s.other) == 0:
		return r.end(ctx, Superseded, fmt.Sprintf("%s is at %s already: somebody else changed it", res, res.Format(r.a.To)))
	case len(s.other) > 0 || len(s.to) > 0:
		return r.end(ctx, Superseded, fmt.Sprintf("%s is at %s, no longer at %s: somebody else changed it, and that is the new baseline",
			res, res.Format(s.seen), res.Format(r.a.From)))
	}
	return r.end(ctx, Cancelled, fmt.Sprintf("the platform does not show %s of %s", res, r.a.TargetName))
}

// room enforces the rule for every live memory decrease, undo and recovery included: what is in use
// x 1.1 must be less than the new limit. What cannot be measured does not fit.
func (r *run) room(ctx context.Context, st State, to policy.Quantity) (why string, ok bool) {
	limit, limited := to.Amount()
	if r.a.Resource != policy.Memory || r.a.Plan.Strategy != policy.Live || !limited || !shrinks(st, limit) {
		return "", true
	}
	if r.x.cfg.Meter == nil {
		return "memory in use cannot be measured, so a lower limit might kill the process", false
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	u, err := r.x.cfg.Meter.Sample(bounded, r.a.TargetName)
	if err != nil {
		return fmt.Sprintf("memory in use cannot be measured (%v), so a lower limit might kill the process", err), false
	}
	used, known := u.InUse()
	if !known {
		return "memory in use cannot be measured, so a lower limit might kill the process", false
	}
	if float64(used)*memoryMargin >= float64(limit) {
		res := policy.Memory
		return fmt.Sprintf("%s is in use, and x %g that does not fit into %s",
			res.Format(policy.Amount(used)), memoryMargin, res.Format(to)), false
	}
	return "", true
}

// memoryMargin is how much more than what is in use a lowered memory limit must hold.
const memoryMargin = 1.1

// shrinks reports whether any part of st has more memory than limit now; one without a shown limit
// counts as having more.
func shrinks(st State, limit int64) bool {
	for _, p := range st.Parts {
		got, ok := effective(p, policy.Memory)
		if n, amount := got.Amount(); !ok || !amount || n > limit+memoryRounding {
			return true
		}
	}
	return false
}
