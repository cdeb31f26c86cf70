package consolidate

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

// merge makes those of others, which are newer, redirects to keeper that are its exact duplicates at this moment. It returns those that are
// not.
func (r *round) merge(ctx context.Context, keeper record.Ord, others []record.Ord) (left []record.Ord, err error) {
	a, err := r.whole(ctx, keeper)
	if a == nil || err != nil || r.over(a.ExpiresAt) {
		return others, err
	}
	var covered, merged []*known // that the keeper need not change for; that are redirects now
	for _, ord := range others {
		b, err := r.whole(ctx, ord)
		if err != nil {
			return nil, err
		}
		if b == nil || r.over(b.ExpiresAt) {
			continue
		}
		united, duplicate := unite(&a.Memory, &b.Memory)
		switch {
		case !duplicate || !Before(&a.Memory, &b.Memory):
			left = append(left, ord)
			continue
		case Covers(&a.Memory, &united):
			covered = append(covered, b)
			continue
		}
		done, err := r.redirect(ctx, a, []*known{b}, &united)
		if err != nil {
			return nil, err
		}
		merged = append(merged, done...)
		if a, err = r.whole(ctx, keeper); a == nil || err != nil {
			return left, err // the next round looks again
		}
	}
	done, err := r.redirect(ctx, a, covered, &a.Memory)
	if err != nil {
		return nil, err
	}
	return left, r.tidy(ctx, keeper, append(merged, done...))
}

// tidy moves what edges redirects to keeper still have.
func (r *round) tidy(ctx context.Context, keeper record.Ord, merged []*known) error {
	target, err := r.read(keeper)
	if target == nil || err != nil || target.Redirect != "" {
		return err
	}
	var redirects []*known
	for _, m := range merged {
		redirect, err := r.read(m.ord)
		if err != nil {
			return err
		}
		if redirect != nil && redirect.Redirect == target.ID {
			redirects = append(redirects, redirect)
		}
	}
	return r.relink(ctx, redirects, target)
}

// whole reads a memory with its vector; nil if it is gone, damaged or changes.
func (r *round) whole(ctx context.Context, ord record.Ord) (*known, error) {
	m, err := r.read(ord)
	if m == nil || err != nil || m.vector == 0 {
		return m, err
	}
	m.Vector, err = r.Vectors.Get(ctx, ord, m.Version)
	switch {
	case errors.Is(err, record.ErrCorrupt):
		return nil, nil
	case err != nil:
		return nil, err
	case r.Store.Version(ord) != m.Version:
		return nil, nil
	}
	return m, nil
}

// redirect makes all of bs redirects to a, and a united, with the edges of all. Each holds if neither it nor a has changed. It returns
// those that are redirects now. Where united is not what a is there is only one.
func (r *round) redirect(ctx context.Context, a *known, bs []*known, united *record.Memory) (merged []*known, err error) {
	for len(bs) > 0 {
		done, n, err := r.redirectSome(ctx, a, bs, united)
		r.report.Merged += len(done)
		merged = append(merged, done...)
		if err != nil {
			return merged, err
		}
		bs = bs[n:]
	}
	return merged, nil
}

// redirectSome does one group of redirect and returns how many of bs were in it.
func (r *round) redirectSome(ctx context.Context, a *known, bs []*known, united *record.Memory) (merged []*known, n int, err error) {
	r.opts.Linking.Lock()
	defer r.opts.Linking.Unlock()
	var changes []store.Change
	var leads []int
	set := map[[2]record.Ord]record.Weight{} // the edges that the group sets
	access := a.Access
	for ; n < len(bs) && len(changes) < perGroup; n++ {
		b := bs[n]
		leads = append(leads, len(changes))
		changes = append(changes, r.redirectTo(b, a))
		for _, e := range r.edges(b.ord, a.ord, perGroup) {
			if edge := [2]record.Ord{e.from, e.to}; e.lacking && size(set[edge]) < size(e.weight) {
				set[edge] = e.weight
				link := e.link()
				link.With = true
				changes = append(changes, link)
			}
		}
		if b.Access.Count > 0 {
			access = accessOf(access, b.Access)
		}
	}
	if !Covers(&a.Memory, united) {
		changes = append(changes, putUnited(a, united))
	}
	if access != a.Access {
		changes = append(changes, store.Change{Kind: record.Touch, Ord: a.ord, Access: access, With: true})
	}
	errs, err := r.apply(ctx, changes)
	if err != nil {
		return nil, n, err
	}
	for i, at := range leads {
		switch {
		case errs[at] == nil:
			merged = append(merged, bs[i])
		case !raced(errs[at]):
			return merged, n, errs[at]
		}
	}
	return merged, n, nil
}

// redirectTo makes from lead to to.
func (r *round) redirectTo(from, to *known) store.Change {
	m := record.Memory{
		ID: from.ID, Type: from.Type, Redirect: to.ID, CreatedAt: from.CreatedAt, UpdatedAt: r.opts.Now().UTC().Truncate(time.Millisecond),
	}
	return store.Change{
		Kind: record.Put, ID: m.ID, IfVersion: from.Version, Expect: []store.Expected{{Ord: to.ord, Version: to.Version}},
		Value: record.AppendValue(nil, &m, 0),
	}
}

func putUnited(a *known, united *record.Memory) store.Change {
	c := store.Change{Kind: record.Put, ID: a.ID, IfVersion: a.Version, With: true}
	if a.vector == 0 && len(united.Vector) > 0 {
		c.Vector = slices.Clone(united.Vector)
	}
	c.Value = record.AppendValue(nil, united, a.vector)
	return c
}

// accessOf returns the accesses of two memories as those of one.
func accessOf(a, b record.Access) record.Access {
	at := a.LastAt
	if b.LastAt.After(at) {
		at = b.LastAt
	}
	return record.Access{
		Activation: float32(max(tier.Activation(a, at), tier.Activation(b, at))),
		Count:      a.Count + min(b.Count, math.MaxUint32-a.Count),
		LastAt:     at,
	}
}
