package consolidate

import (
	"cmp"
	"context"
	"errors"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
)

// perNear is how many near ones of one memory are told.
const perNear = 8

// near tells which memories are nearly the same. It begins where the last round ended, and looks as far as it may.
func (r *round) near(ctx context.Context) error {
	at := r.Changes.from()
	if r.opts.NearFrom > 1 || r.Vectors.Stats().Count < 2 {
		r.Changes.goOn(0)
		return nil
	}
	for more := true; more; {
		var ords []record.Ord
		var last record.Ord
		var failed error
		if err := r.opts.Slice(ctx, func() { ords, last, more, failed = r.withVector(ctx, at) }); cmp.Or(err, failed) != nil {
			return cmp.Or(err, failed)
		}
		for _, ord := range ords {
			if r.report.Compared >= r.opts.NearCompares || len(r.report.Near) >= r.opts.NearMost {
				r.Changes.goOn(at)
				return nil
			}
			if err := r.opts.Slice(ctx, func() { failed = r.nearTo(ctx, ord) }); cmp.Or(err, failed) != nil {
				return cmp.Or(err, failed)
			}
			at = ord
		}
		at = last
	}
	r.Changes.goOn(0)
	return nil
}

// withVector returns some memories behind after that have a vector, and where to go on.
func (r *round) withVector(ctx context.Context, after record.Ord) (ords []record.Ord, last record.Ord, more bool, err error) {
	n := 0
	last = after
	err = r.Store.Scan(ctx, after, func(ord record.Ord, v record.Value, damage error) (bool, error) {
		last = ord
		if damage == nil && v.VectorVersion() != 0 && !r.over(v.ExpiresAt()) {
			ords = append(ords, ord)
		}
		n++
		more = n == perSlice
		return !more, nil
	})
	return ords, last, more, err
}

// nearTo tells what is near to ord and has a higher ordinal, so that every pair is told by one of the two.
func (r *round) nearTo(ctx context.Context, ord record.Ord) error {
	m, err := r.whole(ctx, ord)
	if m == nil || err != nil || len(m.Vector) == 0 {
		return err
	}
	result, err := r.Vectors.Search(ctx, vector.Query{
		Vector: m.Vector, K: perNear, Metric: vector.Cosine, Keep: func(other record.Ord) bool { return other > ord },
	})
	switch {
	case errors.Is(err, record.ErrInvalid):
		return nil // only zeros: near to nothing
	case err != nil:
		return err
	}
	r.report.Compared += result.Scanned
	for _, h := range result.Hits {
		if float64(h.Score) < r.opts.NearFrom || len(r.report.Near) == r.opts.NearMost {
			break
		}
		other, err := r.read(h.Ord)
		if err != nil {
			return err
		}
		if other == nil || other.vector != h.Version || r.over(other.ExpiresAt) {
			continue
		}
		near := Near{ID: m.ID, Other: other.ID, Similarity: float64(h.Score)}
		if Before(&other.Memory, &m.Memory) {
			near.ID, near.Other = near.Other, near.ID
		}
		r.report.Near = append(r.report.Near, near)
	}
	return nil
}
