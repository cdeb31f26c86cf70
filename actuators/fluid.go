package actuators

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
)

// replacedFor is how long parts that replaced all those of a change may take to come to its size.
const replacedFor = 5 * time.Minute

// fluid reports whether the target's parts come and go by themselves; see [Reconciler].
func (r *run) fluid() bool {
	_, ok := r.driver.(Reconciler)
	return ok
}

// counted returns st with the parts that say how a change fares: of a fluid target those that it was
// planned for. A restart may replace them all by others, which then say it.
func (r *run) counted(st State) State {
	if !r.fluid() {
		return st
	}
	left := Of(r.a, st)
	if len(left.Parts) == 0 && r.a.Plan.Strategy == policy.Restart {
		return st
	}
	return left
}

// Of returns st with the parts that a was planned for, by their ids: all of them where a names none.
func Of(a Action, st State) State {
	if len(a.Parts) == 0 {
		return st
	}
	st.Parts = slices.Clone(st.Parts)
	st.Parts = slices.DeleteFunc(st.Parts, func(p Part) bool {
		return !slices.ContainsFunc(a.Parts, func(id PartID) bool { return id.ID == p.ID })
	})
	return st
}

// stillPlanned reports whether st holds the parts that the plan was made for, and says what there is
// instead. Of a fluid target some of them are enough.
func (r *run) stillPlanned(st State) (string, bool) {
	why, ok := sameParts(r.a.Parts, st)
	if !ok && r.fluid() && len(Of(r.a, st).Parts) > 0 {
		return "", true
	}
	return why, ok
}

// ready reports whether enough of the target is at From to begin. A fluid one may have parts that are
// just starting, or that have not come to the committed size yet: the plan was made for them, too.
func (r *run) ready(s standing) bool {
	if r.fluid() {
		return len(s.from) > 0 && len(s.from) >= len(s.to)+len(s.other)
	}
	return s.allFrom()
}

// arrived reports whether every part that counts is at To.
func (r *run) arrived(s standing) bool {
	if r.fluid() {
		return len(s.to) > 0 && len(s.from)+len(s.other) == 0
	}
	return s.allTo()
}

// replaced sees to a fluid target all of whose parts were replaced while a change of it was watched.
// Those that have the new size are watched from now on. When none comes to have it, somebody else
// decided.
func (r *run) replaced(ctx context.Context, w *watch, st State) stage {
	if !r.fluid() || len(r.a.Parts) == 0 || len(Of(r.a, st).Parts) > 0 {
		w.replacedAt = time.Time{}
		return nil
	}
	now := time.Now()
	if w.replacedAt.IsZero() {
		w.replacedAt = now
		r.event(policy.EventStep, policy.Info, "every part was replaced meanwhile", map[string]string{"op": "validate"})
	}
	there := st
	there.Parts = slices.DeleteFunc(slices.Clone(st.Parts), func(p Part) bool {
		got, ok := effective(p, r.a.Resource)
		return !p.Running || !ok || !Same(r.a.Resource, got, r.a.To)
	})
	switch {
	case len(there.Parts) > 0:
		return r.adopt(there)
	case now.Sub(w.replacedAt) < replacedFor:
		return r.followOn(ctx)
	}
	return r.replacedByOthers(ctx, w)
}

// followOn does the steps once more, for parts that replaced all those of the change: a driver may bring
// successors to the size that way. That they cannot be brought there now is no verdict on the change.
func (r *run) followOn(ctx context.Context) stage {
	if r.acquire(ctx) != nil {
		return nil
	}
	defer r.release()
	lasting, done := r.inGrace(ctx)
	defer done()
	for _, s := range r.a.Plan.Steps {
		err := r.touch(lasting, "do", s, r.x.cfg.CallTimeout)
		switch {
		case err == nil, errors.Is(err, ErrGone):
		case errors.Is(err, errDisowned):
			return r.disowned(err)
		default:
			r.event(policy.EventStep, policy.Warning, fmt.Sprintf("what came instead is not at the new size yet: %v", err), map[string]string{"op": "retry"})
			return nil
		}
	}
	return nil
}

// replacedByOthers ends a change of which nothing is left.
func (r *run) replacedByOthers(ctx context.Context, w *watch) stage {
	res := r.a.Resource
	return r.end(ctx, Superseded, fmt.Sprintf("every part was replaced, and none of the new ones came to %s %s within %s: somebody else decides about it",
		res, res.Format(r.a.To), policy.FormatDuration(time.Since(w.replacedAt))))
}

// adopt has the action watch other parts.
func (r *run) adopt(st State) stage {
	ids := PartIDsOf(st)
	_ = r.noted(func(a *Action) { a.Parts = ids }) // else again at the next look
	return nil
}
