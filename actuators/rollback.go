package actuators

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
)

// takeBack undoes the action, for reason.
func (r *run) takeBack(reason string, edits ...func(a *Action)) stage {
	return func(ctx context.Context) stage { return r.rollBack(ctx, reason, edits) }
}

// giveBack undoes an action that is over, unless somebody else has changed the value since.
func (r *run) giveBack(reason string) stage {
	return func(ctx context.Context) stage {
		st, err := r.observe(ctx, r.x.cfg.RetryFor)
		if err != nil {
			r.refuseUndo(fmt.Sprintf("not given back: %v", err))
			return nil
		}
		s := stand(st, r.a.Resource, r.goal(), r.a.To)
		if len(s.to) == 0 || len(s.other) > 0 && (!r.fluid() || len(s.other) > len(s.to)) {
			r.refuseUndo(fmt.Sprintf("not given back: %s is at %s now, no longer at the %s of this action",
				r.a.Resource, r.a.Resource.Format(s.seen), r.a.Resource.Format(r.a.To)))
			return nil
		}
		if need := r.neededNow(ctx, r.a.Since()); need != "" {
			r.refuseUndo(fmt.Sprintf("not given back, though %s: %s", reason, need))
			return nil
		}
		return r.takeBack(reason)
	}
}

// refuseUndo leaves an action that is over as it is, and says so.
func (r *run) refuseUndo(why string) {
	r.event(policy.EventState, policy.Warning, why, map[string]string{"refused": "undo"})
	r.set(r.a)
}

// remember keeps a change that was watched and taken back from being tried again in the same
// circumstances for a while, whoever or whatever took it back.
func (r *run) remember(a *Action) {
	if a.RetryAfter.IsZero() && !a.Procedure.Asked {
		r.demand(a)
		a.RetryAfter = time.Now().Add(a.Procedure.RetryAfter)
	}
}

// forgetEarlier leaves the growth before this one in place: that this one could not be carried out
// says nothing against that one.
func (a *Action) forgetEarlier() { a.Earlier, a.First = nil, a.From }

// goal is the size that a rollback goes to.
func (r *run) goal() policy.Quantity {
	if len(r.a.Earlier) > 0 {
		return r.a.First
	}
	return r.a.From
}

// irreversible reports whether a step was begun that cannot be undone.
func (a *Action) irreversible() bool {
	return slices.ContainsFunc(a.Plan.Steps[:min(a.Done, len(a.Plan.Steps))], func(s Step) bool { return s.Irreversible })
}

func (r *run) rollBack(ctx context.Context, reason string, edits []func(a *Action)) stage {
	was := r.a.State
	if was == Validating || Stays(was) {
		edits = append(edits, r.remember)
	}
	if r.a.irreversible() {
		if was == Applying || was == Verifying {
			return r.finishForward(reason)
		}
		return r.end(ctx, Kept, reason+"; it cannot be undone, so it stays", edits...)
	}
	if r.acquire(ctx) != nil {
		return nil // still validating in the journal
	}
	if was == Applying || was == Verifying {
		edits = append(edits, (*Action).forgetEarlier)
	}
	if !r.enterRollingBack(ctx, reason, edits) {
		return r.end(ctx, Failed, reason+"; not taken back, because the journal cannot be written", edits...)
	}
	return r.undo(was != Applying && !r.a.MaintenanceOn)
}

// enterRollingBack journals the state. Where the journal cannot be written, an undo is still safe as
// long as the state on disk makes recovery undo or observe again anyway.
func (r *run) enterRollingBack(ctx context.Context, reason string, edits []func(a *Action)) bool {
	err := r.enter(RollingBack, reason, edits...)
	if err == nil {
		return true
	}
	r.unjournalled(err)
	if r.onDisk != Applying && r.onDisk != Verifying {
		bounded, cancel := context.WithTimeout(ctx, r.x.cfg.UndoFor)
		defer cancel()
		if r.insist(bounded, func(a *Action) { a.move(RollingBack, reason, edits) }) != nil {
			return false
		}
		r.announce()
		return true
	}
	next := r.a
	next.move(RollingBack, reason, edits)
	r.set(next)
	r.announce()
	return true
}

// undo undoes the steps in reverse, and those of superseded growths before them. served says that
// the target is in service, so that a restart should drain it first.
func (r *run) undo(served bool) stage {
	return func(ctx context.Context) stage {
		lasting, done := r.inGrace(ctx)
		defer done()
		if why := r.noRoomToUndo(lasting); why != "" {
			return r.kept(ctx, why)
		}
		if served && r.a.Plan.Strategy == policy.Restart && r.a.Procedure.Drain != nil {
			r.drainForUndo(ctx)
		}
		if next := r.undoSteps(ctx, lasting); next != nil {
			return next
		}
		return r.undone(ctx, lasting)
	}
}

// noRoomToUndo says why the memory rule forbids to undo a growth, "" if it does not.
func (r *run) noRoomToUndo(ctx context.Context) string {
	if r.a.Resource != policy.Memory || r.a.Plan.Strategy != policy.Live {
		return ""
	}
	st, err := r.observe(ctx, r.x.cfg.UndoFor)
	if err != nil {
		return "" // the undo itself meets the same error, and says so
	}
	why, _ := r.room(ctx, st, r.goal())
	return why
}

// drainForUndo stops new work before a restart back, as far as a service that may be broken lets us.
func (r *run) drainForUndo(ctx context.Context) {
	d := *r.a.Procedure.Drain
	m, err := r.maintenance(ctx, d)
	if err != nil || m.on {
		return
	}
	if r.maintenanceOn(ctx, d) == nil && ctx.Err() == nil {
		_ = r.idle(ctx, d, time.Now()) // whatever is still in flight is lost with what hurts
	}
}

func (r *run) undoSteps(ctx, lasting context.Context) stage {
	steps := append(r.a.Earlier[:len(r.a.Earlier):len(r.a.Earlier)], r.a.Plan.Steps[:r.a.Done]...)
	for i, s := range slices.Backward(steps) {
		r.step("undo", s.undoText())
		err := r.touch(lasting, "undo", s, r.x.cfg.UndoFor)
		switch {
		case err == nil:
		case errors.Is(err, ErrGone):
			r.step("undo", fmt.Sprintf("nothing is left to undo there: %v", err))
		case lasting.Err() != nil:
			return r.stopped
		case errors.Is(err, errDisowned):
			return r.disowned(err)
		case errors.Is(err, ErrRefused) && i == len(steps)-1:
			return r.kept(ctx, err.Error())
		default:
			return r.failed(ctx, err.Error())
		}
	}
	return nil
}

// undone reads back that the old size holds again, and brings a restarted target back into service.
func (r *run) undone(ctx, lasting context.Context) stage {
	for again := false; ; again = true {
		_, why, err := r.await(lasting, r.goal())
		if err == nil && why == "" {
			break
		}
		if lasting.Err() != nil {
			return r.stopped
		}
		if again || err != nil {
			return r.failed(ctx, fmt.Sprintf("the undo did not take: %s", firstOf(why, err)))
		}
		if next := r.undoSteps(ctx, lasting); next != nil {
			return next
		}
	}
	if r.a.Plan.Strategy == policy.Restart {
		if err := r.awaitHealth(lasting); err != nil {
			if lasting.Err() != nil {
				return r.stopped
			}
			r.event(policy.EventFailure, policy.Critical, fmt.Sprintf("back at the old size, but %v", err), nil)
		}
	}
	r.maintenanceOff(lasting)
	return r.end(ctx, RolledBack, r.a.Reason)
}

func firstOf(why string, err error) string {
	if err != nil {
		return err.Error()
	}
	return why
}

// kept ends a rollback that must not be done: the new size stays, loudly.
func (r *run) kept(ctx context.Context, why string) stage {
	r.maintenanceOff(ctx)
	return r.end(ctx, Kept, fmt.Sprintf("%s; but not taken back: %s", r.a.Reason, why))
}

// failed ends a rollback that did not work: a person is needed.
func (r *run) failed(ctx context.Context, why string) stage {
	r.maintenanceOff(ctx)
	return r.end(ctx, Failed, fmt.Sprintf("%s; taking it back failed: %s; look at %s, put it right and unfreeze it",
		r.a.Reason, why, r.a.TargetName))
}

// finishForward goes on with steps that cannot be undone, for as long as an undo would be tried.
func (r *run) finishForward(reason string) stage {
	return func(ctx context.Context) stage {
		lasting, done := r.inGrace(ctx)
		defer done()
		for i, s := range r.a.Plan.Steps {
			if err := r.noted(func(a *Action) { a.Done = max(a.Done, i+1) }); err != nil {
				return r.failed(ctx, err.Error())
			}
			r.step("do", s.Text+" (cannot be undone: finished forward)")
			err := r.touch(lasting, "do", s, r.x.cfg.UndoFor)
			switch {
			case err == nil, errors.Is(err, ErrGone):
			case lasting.Err() != nil:
				return r.stopped
			case errors.Is(err, errDisowned):
				return r.disowned(err)
			default:
				r.maintenanceOff(ctx)
				return r.end(ctx, Failed, fmt.Sprintf("%s; it cannot be undone, and finishing it failed: %v", reason, err))
			}
		}
		_, why, err := r.await(lasting, r.a.To)
		if lasting.Err() != nil {
			return r.stopped
		}
		if why != "" || err != nil {
			r.maintenanceOff(ctx)
			return r.end(ctx, Failed, fmt.Sprintf("%s; it cannot be undone, and finishing it failed: %s", reason, firstOf(why, err)))
		}
		if r.a.Plan.Strategy == policy.Restart {
			if err := r.backInService(lasting); err != nil {
				return r.end(ctx, Failed, fmt.Sprintf("finished, since it cannot be undone, but %v", err))
			}
		}
		return r.startValidation("finished forward after: " + reason)
	}
}
