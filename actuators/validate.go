package actuators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/policy"
)

// A watch is one validation: what it waits for and what it saw so far.
type watch struct {
	v                     Validation
	began, settled, until time.Time
	looks                 int
	first                 map[string]Part // by id, as first seen
	down, unhealthy, gone int             // looks in a row
	failing               []int           // looks in a row that each line of the checklist did not hold
	lines                 []*bool         // of the checklist, at the last look
	unseen                error           // why the last look did not see the target
	settledNoted          bool            // that it has settled was noted
	reapplied             bool
	replacedAt            time.Time // since when every part is another one
	verdictGiven          bool
	harm                  int   // checks in a row that other processors did harm
	said                  bool  // a complete row of checks was told
	saidShown             *bool // and what it showed
}

// startValidation begins to watch a change that is in place. A journal that cannot take this record
// still says verifying, from which a successor would come here as well.
func (r *run) startValidation(reason string, edits ...func(a *Action)) stage {
	return func(ctx context.Context) stage {
		if err := r.enter(Validating, reason, edits...); err != nil {
			r.unjournalled(err)
			next := r.a
			next.move(Validating, reason, edits)
			r.set(next)
			r.announce()
		}
		r.release()
		return r.validate
	}
}

func (r *run) newWatch() *watch {
	v := r.a.Procedure.Validation.ensureDefaults()
	began := time.Now()
	return &watch{
		v: v, began: began, settled: began.Add(v.Settle), until: began.Add(v.Duration),
		first: map[string]Part{}, failing: make([]int, len(r.a.Procedure.Require)),
	}
}

// validate looks at the change every so often until it is proven, found useless or harmful.
func (r *run) validate(ctx context.Context) stage {
	w := r.newWatch()
	r.noteBegin("settle", "", "let it settle for "+policy.FormatDuration(w.v.Settle))
	for {
		due := w.began.Add(time.Duration(w.looks+1) * w.v.Every)
		o, err := r.pause(ctx, time.Until(due))
		switch {
		case err != nil:
			return nil // still validating in the journal
		case o.reply != nil:
			return r.obey(ctx, w, o)
		}
		w.looks = max(w.looks+1, int(time.Since(w.began)/w.v.Every))
		if next := r.look(ctx, w); next != nil {
			return next
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// obey ends the validation as it was ordered from outside.
func (r *run) obey(ctx context.Context, w *watch, o order) stage {
	if o.kind != orderSupersede {
		o.reply <- answer{action: r.a}
		if need := r.neededNow(ctx, w.began); o.kind == orderUnneeded && need != "" {
			return r.end(ctx, Insufficient, fmt.Sprintf("%s; but it stays, and more is needed: %s", o.reason, need))
		}
		return r.takeBack(o.reason)
	}
	if len(r.a.Checks) == 0 {
		r.check(ctx, w, min(w.v.Settle, time.Since(w.began)))
	}
	state, reason := Superseded, "a further growth follows before this one was shown to help"
	if shown := verdict(r.a.Checks); shown != nil && *shown {
		state, reason = Committed, "it helped so far, and a further growth follows"
	}
	next := r.end(ctx, state, reason)
	o.reply <- answer{action: r.a}
	return next
}

// look is one look at the target: others' changes, guards, effect, checklist, and the end.
func (r *run) look(ctx context.Context, w *watch) stage {
	if !w.settledNoted && !time.Now().Before(w.settled) {
		w.settledNoted = true
		r.noteEnd("settle", nil)
		r.noteBegin("validate", "", "watch it for "+policy.FormatDuration(w.v.Duration))
	}
	var st State
	w.unseen = r.call(ctx, func(ctx context.Context) (err error) {
		st, err = r.driver.Observe(ctx, r.a.Target)
		return err
	})
	if w.unseen == nil {
		w.gone = 0
		if next := r.disturbed(ctx, w, st); next != nil {
			return next
		}
	} else if errors.Is(w.unseen, ErrNotFound) {
		if w.gone++; w.gone >= 3 {
			return r.end(ctx, Superseded, r.a.TargetName+" is gone: nothing was touched")
		}
	}
	if !w.replacedAt.IsZero() {
		if time.Now().Before(w.until) || ctx.Err() != nil {
			return nil // what it does now is not this change's doing
		}
		return r.replacedByOthers(ctx, w)
	}
	if next := r.guard(ctx, w, st); next != nil {
		return next
	}
	if ctx.Err() != nil {
		return nil
	}
	if next := r.judge(ctx, w); next != nil {
		return next
	}
	if next := r.checklist(ctx, w); next != nil {
		return next
	}
	if time.Now().Before(w.until) || ctx.Err() != nil {
		return nil
	}
	return r.conclude(ctx, w)
}

// disturbed reports a value that is no longer To: somebody else's choice, or the platform's drift.
func (r *run) disturbed(ctx context.Context, w *watch, st State) stage {
	res := r.a.Resource
	if res.IsOperation() {
		return nil
	}
	if next := r.replaced(ctx, w, st); next != nil {
		return next
	}
	for _, p := range r.known(st) {
		got, ok := effective(p, res)
		if !ok || Same(res, got, r.a.To) {
			continue
		}
		told, ok := told(p, res)
		if !ok || !Same(res, told, r.a.To) {
			return r.end(ctx, Superseded, fmt.Sprintf("%s of %s is at %s: somebody else changed it, and that is the new baseline",
				res, p.Name, res.Format(got)))
		}
		return r.drifted(ctx, w, fmt.Sprintf("%s of %s is %s, but is configured as %s", res, p.Name, res.Format(got), res.Format(told)))
	}
	return nil
}

// known returns the parts that the change was made to. Where none of them is left, all count, but for a
// fluid target's.
func (r *run) known(st State) []Part {
	parts := Of(r.a, st).Parts
	if len(parts) == 0 && !r.fluid() {
		return st.Parts
	}
	return parts
}

// drifted applies the change once more while it is watched.
func (r *run) drifted(ctx context.Context, w *watch, why string) stage {
	if w.reapplied {
		return r.takeBack(why + ", also after it was applied again")
	}
	w.reapplied = true
	if r.acquire(ctx) != nil {
		return nil
	}
	defer r.release()
	r.event(policy.EventDrift, policy.Warning, why+": applied again", nil)
	lasting, done := r.inGrace(ctx)
	defer done()
	return r.carryOut(lasting)
}

// conclude ends a validation whose time is over.
func (r *run) conclude(ctx context.Context, w *watch) stage {
	failing, unknown := r.checklistNow(w)
	if w.unseen != nil {
		unknown = append(unknown, fmt.Sprintf("the target (%v)", w.unseen))
	}
	shown := verdict(r.a.Checks)
	switch {
	case len(unknown) > 0 && !r.a.Extended:
		w.until = time.Now().Add(w.v.Duration)
		r.noted(func(a *Action) { a.Extended = true })
		r.event(policy.EventValidate, policy.Warning, "watched once more as long, because it is unknown: "+list(unknown), nil)
		return nil
	case len(unknown) > 0:
		return r.end(ctx, Inconclusive, "the change stays, but this was unknown to the end: "+list(unknown))
	case len(failing) > 0:
		return r.notAllHolds(ctx, failing, shown)
	case r.a.Procedure.Asked:
		return r.end(ctx, Committed, "it was asked for, and nothing went wrong")
	case shown == nil && r.a.wanted():
		return r.end(ctx, Committed, "it is as the target asks, and nothing is worse than before")
	case shown == nil:
		return r.end(ctx, Inconclusive, "the change stays, but nothing shows whether it helped: "+r.evidence())
	case !*shown:
		return r.noEffect(ctx)
	}
	return r.end(ctx, Committed, r.evidence())
}

// notAllHolds ends a validation at whose end the checklist does not hold.
func (r *run) notAllHolds(ctx context.Context, failing []string, shown *bool) stage {
	why := "does not hold: " + list(failing)
	if r.a.Direction == policy.Growth && (shown == nil || *shown || r.needed() != "") {
		return r.end(ctx, Insufficient, "it is needed, and more may be: "+why)
	}
	return r.takeBack(why)
}
