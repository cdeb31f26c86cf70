package vector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/engramd/engramd/node/record"
)

// A Metric says what near is.
type Metric uint8

const (
	// Cosine is the cosine of the angle, -1 to 1, whatever the lengths: what people expect of embeddings. A vector of
	// zeros has cosine 0 with everything.
	Cosine Metric = iota
	// Dot is the inner product: the same as Cosine where all vectors have length 1.
	Dot
)

// A Query asks for the nearest vectors.
type Query struct {
	Vector []float32
	K      int
	Metric Metric
	// Keep tells whether an ordinal may be a hit; nil: all may. It is called, without any lock, only for those that are near
	// enough to be one.
	Keep func(record.Ord) bool
}

// A Hit is one of the nearest. The memory may have changed since: Version is that of the write that set the vector
// ([record.Value.VectorVersion]).
type Hit struct {
	Ord     record.Ord
	Version uint64
	Score   float32
}

// A Result is the nearest first, of two equally near the lower ordinal.
type Result struct {
	Hits    []Hit
	Scanned int  // vectors that were looked at
	Partial bool // the deadline came first: these are the nearest among Scanned
}

// Search looks at all vectors. When the deadline of ctx passes it returns what it has, marked partial; when ctx is cancelled, why.
// Vectors that are written meanwhile are found or not. A query of another dimension, or with NaN, Inf or (Cosine) zeros only, is
// record.ErrInvalid.
func (v *View) Search(ctx context.Context, q Query) (Result, error) {
	query, err := v.query(q)
	if err != nil {
		return Result{}, err
	}
	for {
		s := search{View: v, Query: q, query: query, best: newBest(q.K)}
		if err := s.run(ctx); err != nil {
			return Result{}, err
		}
		hits, whole := s.verify()
		if whole || s.partial {
			return Result{Hits: hits, Scanned: s.scanned, Partial: s.partial}, nil
		}
		// A hit was damaged and is isolated now: who comes in its place?
	}
}

// query checks q and returns the vector to multiply with.
func (v *View) query(q Query) ([]float32, error) {
	v.mu.RLock()
	dim := v.dim
	v.mu.RUnlock()
	switch {
	case q.K <= 0:
		return nil, &record.InvalidError{Field: "k", Reason: fmt.Sprintf("is %d; at least 1", q.K)}
	case q.Metric > Dot:
		return nil, &record.InvalidError{Field: "metric", Reason: fmt.Sprintf("%d is unknown", q.Metric)}
	case len(q.Vector) == 0:
		return nil, &record.InvalidError{Field: "vector", Reason: "is empty"}
	}
	if err := record.CheckVector(q.Vector, dim); err != nil {
		return nil, err
	}
	if q.Metric == Dot {
		return q.Vector, nil
	}
	length := math.Sqrt(wideDot(q.Vector, q.Vector))
	if length == 0 {
		return nil, &record.InvalidError{Field: "vector", Reason: "has only zeros, and so no direction to compare"}
	}
	unit := make([]float32, len(q.Vector))
	for i, x := range q.Vector {
		unit[i] = float32(float64(x) / length)
	}
	return unit, nil
}

// A search is one pass over all vectors.
type search struct {
	*View
	Query
	query   []float32
	best    best
	scanned int
	partial bool

	rows   []row // of the block
	heap   [block][]float32
	scores [block]float32
}

func (s *search) run(ctx context.Context) error {
	for from := record.Ord(1); ; from += block {
		if err := ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
			s.partial = true
			return nil
		} else if err != nil {
			return context.Cause(ctx)
		}
		if more, err := s.look(from); !more {
			return err
		}
		if err := s.score(from); err != nil {
			return err
		}
		s.offer(from)
	}
}

// look copies the rows of a block and what of it is pending; false behind the last one. Slots that nobody has checked since the
// start are checked now.
func (s *search) look(from record.Ord) (more bool, err error) {
	s.rows = s.snapshot(s.rows, from)
	for i, r := range s.rows {
		if r.version != 0 && r.state&(isPending|isChecked|isDamaged) == 0 {
			s.check(from+record.Ord(i), r)
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return false, os.ErrClosed
	case s.rows == nil:
		return false, nil
	}
	s.rows = append(s.rows[:0], s.View.rows[from:int(from)+len(s.rows)]...)
	for i, r := range s.rows {
		if r.state&isPending != 0 {
			s.heap[i] = s.pending[from+record.Ord(i)]
		}
	}
	return true, nil
}

// score computes the scores of the block. What changed beside it, or cannot be read, is looked at once more by
// itself.
func (s *search) score(from record.Ord) error {
	f := s.file.Load()
	if f == nil {
		s.pass(nil, from, nil)
		return s.singly(from, s.changed(from))
	}
	err := f.read(func(data []byte) { s.pass(f, from, data) })
	switch {
	case errors.Is(err, record.ErrCorrupt):
		return s.singly(from, func(int) bool { return true })
	case err != nil:
		return err
	}
	return s.singly(from, s.changed(from))
}

// pass scores what of the block is pending, or checked and in the file.
func (s *search) pass(f *file, from record.Ord, data []byte) {
	for i := range s.rows {
		r := &s.rows[i]
		switch {
		case r.state&isPending != 0:
			s.scores[i] = s.of(s.heap[i], r)
		case r.state&isChecked != 0:
			s.scores[i] = s.of(f.floats(f.slot(data, from+record.Ord(i))), r)
		}
	}
}

// changed tells which slots of the block may have been written while they were read, or were not checked yet.
func (s *search) changed(from record.Ord) func(i int) bool {
	var changed [block]bool
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, r := range s.rows {
		now := s.View.rows[int(from)+i]
		changed[i] = r.version != now.version || r.version != 0 && r.state&(isPending|isChecked|isDamaged) == 0
	}
	return func(i int) bool { return changed[i] }
}

// singly scores the ones that which names by themselves, from a checked copy.
func (s *search) singly(from record.Ord, which func(int) bool) error {
	for i := range s.rows {
		if !which(i) {
			continue
		}
		vector, r, err := s.read(from + record.Ord(i))
		switch {
		case errors.Is(err, record.ErrCorrupt):
			r.version = 0
		case err != nil:
			return err
		}
		s.rows[i] = r
		if r.version != 0 {
			r.inverse, r.state = s.length(vector, 0)
			s.scores[i] = s.of(vector, &r)
		}
	}
	return nil
}

// of returns the score of a vector.
func (s *search) of(vector []float32, r *row) float32 {
	if s.Metric == Dot {
		if x := s.dot(s.query, vector); !(math.Abs(float64(x)) <= math.MaxFloat32) {
			return narrow(wideDot(s.query, vector))
		} else {
			return x
		}
	}
	if r.state&isWide == 0 {
		return s.dot(s.query, vector) * r.inverse
	}
	length := math.Sqrt(wideDot(vector, vector))
	if length == 0 {
		return 0
	}
	return float32(wideDot(s.query, vector) / length)
}

func (s *search) offer(from record.Ord) {
	for i := range s.rows {
		r := &s.rows[i]
		if r.version == 0 || r.state&isDamaged != 0 {
			continue
		}
		s.scanned++
		if s.scores[i] <= s.best.bar {
			continue // ordinals ascend: of two equally near the one that is there stays
		}
		h := Hit{Ord: from + record.Ord(i), Version: r.version, Score: s.scores[i]}
		if s.Keep == nil || s.Keep(h.Ord) {
			s.best.add(h)
		}
	}
}

// verify returns the hits without those whose slot is damaged; false if there were any.
func (s *search) verify() (hits []Hit, whole bool) {
	whole = true
	for _, h := range s.best.sorted() {
		if _, _, err := s.read(h.Ord); errors.Is(err, record.ErrCorrupt) {
			whole = false
			continue
		}
		if s.Metric == Cosine {
			h.Score = max(-1, min(1, h.Score))
		}
		hits = append(hits, h)
	}
	return hits, whole
}
