package node

import (
	"context"
	"errors"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// A found is a memory that may be a hit, as it was when it was looked at.
type found struct {
	memory Memory
	tier   tier.Tier
	vector uint64 // which write set the vector
}

// keep tells whether ord may be a hit, and keeps it as it is now: what is returned is what passed.
func (r *recall) keep(ctx context.Context, ord record.Ord) bool {
	if r.found[ord] != nil {
		return true
	}
	f := r.read(ctx, ord, r.query.WithVectors)
	if f == nil {
		return false
	}
	if near, ok := r.near[ord]; ok && near.Version != f.vector {
		return false // its vector is another one than what was found near
	}
	r.found[ord] = f
	return true
}

// read reads ord; nil if it is not to be a hit. After the deadline it reads as many as there may be hits and no more: what
// was found by then is to be seen.
func (r *recall) read(ctx context.Context, ord record.Ord, withVector bool) *found {
	if r.err != nil || r.over {
		return nil
	}
	if ctx.Err() != nil {
		if r.late++; r.late > r.query.Limit {
			r.over = true
			return nil
		}
	}
	f, err := r.load(ctx, ord, withVector)
	switch {
	case err == nil:
		return f
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
	case ctx.Err() != nil:
		r.over = true
	default:
		r.err = err
	}
	return nil
}

// load reads ord. It returns ErrNotFound for what does not pass.
func (r *recall) load(ctx context.Context, ord record.Ord, withVector bool) (*found, error) {
	filter := &r.query.Filter
	if t, _ := r.views.tiers.Tier(ord); !filter.inTier(t) {
		return nil, ErrNotFound
	}
	for {
		f := &found{}
		_, err := r.views.tiers.Read(ord, func(v record.Value, plain []byte) error {
			f.vector = v.VectorVersion()
			return v.Decode(&f.memory, plain)
		})
		if err != nil {
			return nil, err
		}
		m := &f.memory
		m.Access, _ = r.views.tiers.Access(ord)
		f.tier, _ = r.views.tiers.Tier(ord)
		if m.Redirect != "" || !filter.matches(m, f.tier) {
			return nil, ErrNotFound
		}
		if err := r.node.expired(m); err != nil || !withVector {
			return f, err
		}
		if same, err := addVector(ctx, r.space, ord, m); same || err != nil {
			return f, err
		}
	}
}
