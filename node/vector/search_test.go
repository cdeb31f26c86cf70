package vector_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
	"github.com/google/go-cmp/cmp"
)

func TestSearchIsThePlainOne(t *testing.T) {
	for _, scalar := range []bool{false, true} {
		for _, dim := range []int{1, 3, 8, 31, 100, 768} {
			t.Run(fmt.Sprintf("%d scalar %v", dim, scalar), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(dim), 1))
				w := newWorld(t, vector.Options{Scalar: scalar})
				w.fill(rng, 600, dim)
				for range 100 {
					w.remove(record.Ord(1 + rng.IntN(600)))
				}
				odd := func(ord record.Ord) bool { return ord%2 == 1 }
				for _, metric := range []vector.Metric{vector.Cosine, vector.Dot} {
					for _, k := range []int{1, 10, 10000} {
						w.checkSearch(vector.Query{K: k, Metric: metric})
						w.checkSearch(vector.Query{K: k, Metric: metric, Keep: odd})
					}
				}
				q := vector.Query{Vector: random(rng, dim), K: 50}
				before, err := w.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range []func(){w.checkpoint, func() { w.again(nil) }, func() {}} {
					step()
					after, err := w.Search(t.Context(), q)
					if diff := cmp.Diff(before, after); err != nil || diff != "" {
						t.Fatalf("the same search later: %v (-before +after):\n%s", err, diff)
					}
				}
			})
		}
	}
}

func TestTiesGoToTheLowestOrdinal(t *testing.T) {
	w := newWorld(t, vector.Options{})
	for ord := record.Ord(700); ord > 0; ord-- {
		w.put(ord, []float32{1, 2})
	}
	for _, metric := range []vector.Metric{vector.Cosine, vector.Dot} {
		r, err := w.Search(t.Context(), vector.Query{Vector: []float32{3, 1}, K: 5, Metric: metric})
		if err != nil || len(r.Hits) != 5 {
			t.Fatalf("%+v, %v", r, err)
		}
		for i, h := range r.Hits {
			if h.Ord != record.Ord(i+1) {
				t.Errorf("metric %d: hit %d is ordinal %d", metric, i, h.Ord)
			}
		}
	}
}

func TestWhatFloat32CannotHold(t *testing.T) {
	w := newWorld(t, vector.Options{})
	for i, x := range []float32{0, 1e-42, 1e-20, 1, 1e20, 3e38} {
		w.put(record.Ord(2*i+1), []float32{x, 0, 0})
		w.put(record.Ord(2*i+2), []float32{x, x, -x})
	}
	for range 2 {
		w.checkSearch(vector.Query{Vector: []float32{2e38, 1e38, 1e38}, K: 20})
		w.checkSearch(vector.Query{Vector: []float32{1e-30, 0, 0}, K: 20})
		r, err := w.Search(t.Context(), vector.Query{Vector: []float32{2e38, 1e38, 1e38}, K: 20, Metric: vector.Dot})
		if err != nil || len(r.Hits) != 12 || r.Hits[0].Score != math.MaxFloat32 {
			t.Errorf("%+v, %v", r, err)
		}
		w.checkpoint()
		w.again(nil)
	}
}

func TestSearchRefuses(t *testing.T) {
	w := newWorld(t, vector.Options{})
	w.put(1, []float32{1, 2})
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for name, q := range map[string]vector.Query{
		"no k":            {Vector: []float32{1, 2}},
		"no vector":       {K: 1},
		"wrong dimension": {Vector: []float32{1}, K: 1},
		"NaN":             {Vector: []float32{nan, 1}, K: 1},
		"Inf":             {Vector: []float32{1, inf}, K: 1},
		"zeros":           {Vector: []float32{0, 0}, K: 1},
		"unknown metric":  {Vector: []float32{1, 2}, K: 1, Metric: 9},
	} {
		if r, err := w.Search(t.Context(), q); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: %+v, %v; want ErrInvalid", name, r, err)
		}
	}
}

func TestSearchEndsInTime(t *testing.T) {
	w := newWorld(t, vector.Options{})
	w.fill(rand.New(rand.NewPCG(1, 1)), 1000, 4)
	q := vector.Query{Vector: []float32{1, 0, 0, 0}, K: 3}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if r, err := w.Search(late, q); err != nil || !r.Partial || len(r.Hits) != 0 {
		t.Errorf("after the deadline: %+v, %v", r, err)
	}
	if r, err := w.Search(&fuse{late, 2}, q); err != nil || !r.Partial || r.Scanned != 512 || len(r.Hits) != 3 {
		t.Errorf("at the deadline: %+v, %v", r, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := w.Search(gone, q); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %+v, %v", r, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := w.Search(t.Context(), q); err == nil {
		t.Errorf("closed: %+v", r)
	}
	if _, err := w.get(1); err == nil {
		t.Error("a closed view gave a vector")
	}
}

// A fuse is a context that has ended when it was asked often enough.
type fuse struct {
	context.Context
	left int
}

func (f *fuse) Err() error {
	if f.left--; f.left >= 0 {
		return nil
	}
	return f.Context.Err()
}
