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

// merge makes other, the newer one, a redirect to keeper if they are exact duplicates at this moment.
func (r *round) merge(ctx context.Context, keeper, other record.Ord) (merged bool, err error) {
	a, err := r.whole(ctx, keeper)
	if a == nil || err != nil {
		return false, err
	}
	b, err := r.whole(ctx, other)
	if b == nil || err != nil {
		return false, err
	}
	united, same := unite(&a.Memory, &b.Memory)
	if !same || !Before(&a.Memory, &b.Memory) || r.over(a.ExpiresAt) || r.over(b.ExpiresAt) {
		return false, nil
	}
	merged, err = r.redirect(ctx, a, b, &united)
	if !merged || err != nil {
		return false, err
	}
	r.report.Merged++
	return true, r.settleOne(ctx, other) // edges that came meanwhile, and those of the redirect itself
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

// redirect makes b a redirect to a, and a united, with the edges of both. It is one group, which holds if neither has changed.
func (r *round) redirect(ctx context.Context, a, b *known, united *record.Memory) (bool, error) {
	r.opts.Linking.Lock()
	defer r.opts.Linking.Unlock()
	changes := []store.Change{r.redirectTo(b, a)}
	if !same(&a.Memory, united) {
		changes = append(changes, putUnited(a, united))
	}
	if b.Access.Count > 0 {
		changes = append(changes, store.Change{Kind: record.Touch, Ord: a.ord, Access: accessOf(a.Access, b.Access)})
	}
	for _, e := range r.edges(b.ord, a.ord, perGroup) {
		if e.lacking {
			changes = append(changes, e.link())
		}
	}
	for i := range changes[1:] {
		changes[1+i].With = true
	}
	errs, err := r.apply(ctx, changes)
	if err != nil {
		return false, err
	}
	if raced(errs[0]) {
		return false, nil
	}
	return errs[0] == nil, errs[0]
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

// same tells whether uniting changed nothing.
func same(a, united *record.Memory) bool {
	return Covers(a, united) && a.UpdatedAt.Equal(united.UpdatedAt)
}

func putUnited(a *known, united *record.Memory) store.Change {
	c := store.Change{Kind: record.Put, ID: a.ID, IfVersion: a.Version}
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
