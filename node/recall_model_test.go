package node_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A town is a random space and what is known of it: some of its memories have expired, and some are duplicates.
type town struct {
	memories map[string]node.Memory
	ids      []string // as they were remembered
}

var tags = []string{"red", "green", "blue"}

func newTown(t testing.TB, n *node.Node, rng *rand.Rand, size int) *town {
	t.Helper()
	w := &town{memories: map[string]node.Memory{}}
	var ms []node.Memory
	var edges []node.Edge
	for i := range size {
		m := node.Memory{
			ID: fmt.Sprintf("m%03d", i), Content: fmt.Sprintf("memory %d", i), Type: record.Type(rng.IntN(2)), Confidence: float32(rng.IntN(5)) / 4,
			CreatedAt: day0.Add(time.Duration(rng.IntN(1000)) * time.Hour),
		}
		for _, tag := range tags {
			if rng.IntN(2) == 0 {
				m.Tags = append(m.Tags, tag)
			}
		}
		if rng.IntN(3) > 0 {
			m.Vector = []float32{rng.Float32() - 0.3, rng.Float32() - 0.3, rng.Float32() - 0.3, rng.Float32() + 0.01}
		}
		if rng.IntN(8) == 0 {
			m.ExpiresAt = day0
		}
		w.ids, w.memories[m.ID] = append(w.ids, m.ID), m
		ms = append(ms, m)
	}
	for _, from := range w.ids {
		for range rng.IntN(5) {
			to := w.ids[rng.IntN(size)]
			if from == to {
				continue
			}
			wt := weight(t, rng.Float64()*0.999+0.001)
			if rng.IntN(6) == 0 {
				wt = -wt
			}
			edges = append(edges, node.Edge{From: from, To: to, Weight: wt})
		}
	}
	remember(t, n, ms...)
	links(t, n, edges...)
	return w
}

// query asks something at random.
func (w *town) query(rng *rand.Rand) node.RecallQuery {
	q := node.RecallQuery{
		Limit: 1 + rng.IntN(20), Direct: rng.IntN(5) == 0,
		Spread: spread.Options{Hops: 1 + rng.IntN(4), FanOut: 1 + rng.IntN(6), Decay: 0.3 + rng.Float64()*0.7, Threshold: rng.Float64() * 0.05,
			WithoutSeeds: rng.IntN(4) == 0},
	}
	for range rng.IntN(4) {
		q.Seeds = append(q.Seeds, node.Seed{ID: w.ids[rng.IntN(len(w.ids))], Activation: 0.05 + rng.Float64()*0.95})
	}
	if len(q.Seeds) == 0 || rng.IntN(2) == 0 {
		q.Vector = []float32{rng.Float32(), rng.Float32(), rng.Float32() - 0.5, rng.Float32() - 0.5}
	}
	f := &q.Filter
	for _, tag := range tags {
		if rng.IntN(5) == 0 {
			f.Tags = append(f.Tags, tag)
		}
	}
	if rng.IntN(4) == 0 {
		is := record.Type(rng.IntN(2))
		f.Type = &is
	}
	if rng.IntN(4) == 0 {
		f.MinConfidence = float32(rng.IntN(4)) / 4
	}
	if rng.IntN(4) == 0 {
		f.CreatedAfter = day0.Add(time.Duration(rng.IntN(500)) * time.Hour)
	}
	if rng.IntN(4) == 0 {
		f.CreatedBefore = day0.Add(time.Duration(500+rng.IntN(500)) * time.Hour)
	}
	return q
}

// may tells whether a memory may be a hit.
func (w *town) may(id string, f node.Filter) bool {
	m := w.memories[id]
	has := func(tag string) bool { return slices.Contains(m.Tags, tag) }
	return m.ExpiresAt.IsZero() && (f.Type == nil || *f.Type == m.Type) && m.Confidence >= f.MinConfidence &&
		(f.CreatedAfter.IsZero() || !m.CreatedAt.Before(f.CreatedAfter)) && (f.CreatedBefore.IsZero() || m.CreatedAt.Before(f.CreatedBefore)) &&
		!slices.ContainsFunc(f.Tags, func(tag string) bool { return !has(tag) })
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i])*float64(b[i]), aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// A line is what matters of a hit.
type line struct {
	ID         string
	Activation float64
	Similarity float64
	Hops       int
}

// recall says plainly what a recall should find: seeds, the nearest of those that may be hits, a spread, and then a sieve.
func (w *town) recall(t testing.TB, n *node.Node, q node.RecallQuery) (lines []line) {
	t.Helper()
	seeds := slices.Clone(q.Seeds)
	near := map[string]float64{}
	var nearest []string
	for id, m := range w.memories {
		if len(q.Vector) > 0 && len(m.Vector) > 0 && w.may(id, q.Filter) {
			near[id] = cosine(q.Vector, m.Vector)
			nearest = append(nearest, id)
		}
	}
	slices.SortFunc(nearest, func(a, b string) int { return cmp.Compare(near[b], near[a]) })
	for i, id := range nearest {
		if i >= q.Limit {
			delete(near, id)
			continue
		}
		seeds = append(seeds, node.Seed{ID: id, Activation: min(1, max(1.0/(1<<30), near[id]))})
	}
	active := map[string]line{}
	if q.Direct {
		for _, s := range seeds {
			active[s.ID] = line{ID: s.ID, Activation: min(1, active[s.ID].Activation+s.Activation)}
		}
	} else if len(seeds) > 0 {
		o := q.Spread
		o.Limit, o.WithoutSeeds = spread.MaxLimit, false
		s, err := n.Spread(t.Context(), "default", seeds, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range s.Hits {
			active[h.ID] = line{ID: h.ID, Activation: h.Activation, Hops: len(h.Path) - 1}
		}
	}
	for id, l := range active {
		similarity, isNear := near[id]
		seed := slices.ContainsFunc(q.Seeds, func(s node.Seed) bool { return s.ID == id })
		if !w.may(id, q.Filter) || q.Spread.WithoutSeeds && seed && !isNear {
			continue
		}
		if l.Similarity = -9; isNear {
			l.Similarity = similarity
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(b.Activation, a.Activation), cmp.Compare(a.ID, b.ID)) })
	lines = lines[:min(len(lines), q.Limit)]
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.Activation, a.Activation), cmp.Compare(b.Similarity, a.Similarity))
	})
	return lines
}

// TestRecallEqualsAPlainOne asks much of random spaces, twice: before and after everything that must not change an answer.
func TestRecallEqualsAPlainOne(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			dir := t.TempDir()
			n, stop := running(t, small(dir))
			w := newTown(t, n, rng, 20+rng.IntN(100))
			var queries []node.RecallQuery
			var before []node.Recollection
			for i := range 150 {
				q := w.query(rng)
				r := recall(t, n, q)
				var got []line
				for _, h := range r.Hits {
					l := line{h.Memory.ID, h.Activation, -9, len(h.Path) - 1}
					if h.Similarity != nil {
						l.Similarity = *h.Similarity
					}
					if want := math.Pow(q.Spread.Decay, float64(l.Hops)); h.Decay != want || h.Path[l.Hops] != l.ID {
						t.Errorf("query %d, %s: decay %v, path %v; want %v", i, l.ID, h.Decay, h.Path, want)
					}
					got = append(got, l)
				}
				if diff := gocmp.Diff(w.recall(t, n, q), got, cmpopts.EquateApprox(0, 1e-5), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("query %d %+v (-want +got):\n%s", i, q, diff)
				}
				queries, before = append(queries, q), append(before, r)
			}
			again := func(what string) {
				t.Helper()
				for i, q := range queries {
					if diff := gocmp.Diff(before[i], recall(t, n, q), cmpopts.IgnoreFields(node.Recalled{}, "Tier")); diff != "" {
						t.Errorf("query %d after %s (-want +got):\n%s", i, what, diff)
						return
					}
				}
			}
			s, err := n.Store().Space("default")
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range s.Views() {
				if g, ok := v.(*graph.Graph); ok {
					if err := g.Merge(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			again("a merge")
			if _, err := n.Compact(t.Context(), "default"); err != nil {
				t.Fatal(err)
			}
			again("a compaction")
			info, err := n.Snapshot(t.Context(), "default")
			if err != nil {
				t.Fatal(err)
			}
			stop()
			n, _ = running(t, small(dir))
			again("a restart")
			for _, id := range w.ids[:len(w.ids)/2] {
				if err := n.Delete(t.Context(), "default", id, 0); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := n.RestoreSnapshot(t.Context(), info.Name, "default"); err != nil {
				t.Fatal(err)
			}
			again("a restore")
		})
	}
}

// TestRecallPastItsDeadline: what there is comes back, marked, and never more than there would have been.
func TestRecallPastItsDeadline(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	animals(t, n)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	for name, c := range map[string]struct {
		query node.RecallQuery
		want  []string
	}{
		"seeds":               {node.RecallQuery{Seeds: []node.Seed{{ID: "dog", Activation: 0.5}, {ID: "moon", Activation: 1}}}, []string{"moon", "dog"}},
		"seeds and a filter":  {node.RecallQuery{Seeds: []node.Seed{{ID: "dog", Activation: 0.5}, {ID: "moon", Activation: 1}}, Filter: node.Filter{Tags: []string{"pet"}}}, []string{"dog"}},
		"no time for vectors": {node.RecallQuery{Vector: []float32{1, 0, 0}}, nil},
		"seeds and a vector":  {node.RecallQuery{Seeds: []node.Seed{{ID: "cat", Activation: 0.5}}, Vector: []float32{1, 0, 0}, Learn: true}, []string{"cat"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := n.Recall(ctx, "default", c.query)
			if diff := gocmp.Diff(c.want, hitIDs(r)); err != nil || !r.Partial || diff != "" {
				t.Errorf("%v, partial %v (-want +got):\n%s", err, r.Partial, diff)
			}
		})
	}
	if l := n.Learning(); l.Waiting+int(l.Touched) != 1 {
		t.Errorf("what a partial recall taught: %+v", l)
	}
}

// TestRecallLooksAtLittleAfterItsDeadline: with a filter that nothing passes, it does not look at everything.
func TestRecallLooksAtLittleAfterItsDeadline(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	var ms []node.Memory
	var seeds []node.Seed
	for i := range 500 {
		ms = append(ms, node.Memory{ID: fmt.Sprint(i), Content: "x"})
		seeds = append(seeds, node.Seed{ID: fmt.Sprint(i), Activation: 1})
	}
	ms[400].Tags = []string{"late"}
	remember(t, n, ms...)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	q := node.RecallQuery{Seeds: seeds, Limit: 10, Filter: node.Filter{Tags: []string{"late"}}}
	if r, err := n.Recall(ctx, "default", q); err != nil || len(r.Hits) > 0 || !r.Partial {
		t.Errorf("%v, %v, partial %v; want nothing", err, hitIDs(r), r.Partial)
	}
	if r := recall(t, n, q); len(r.Hits) != 1 || r.Partial {
		t.Errorf("with time: %v, partial %v", hitIDs(r), r.Partial)
	}
}

// TestRecallBesideChanges: hits are never what has expired, was deleted before, or has another vector than the one that was near.
func TestRecallBesideChanges(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	near, far := []float32{1, 0}, []float32{-1, 0}
	remember(t, n, node.Memory{ID: "a", Content: "near", Vector: near})
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for {
			for _, p := range []struct {
				content string
				vector  []float32
			}{{"far", far}, {"near", near}} {
				if _, err := n.Patch(context.Background(), "default", "a", 0, node.Patch{Content: &p.content, Vector: &p.vector}); err != nil {
					done <- err
					return
				}
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	for range 2000 {
		r := recall(t, n, node.RecallQuery{Vector: near, Direct: true, WithVectors: true})
		for _, h := range r.Hits {
			if (h.Memory.Content == "near") != (*h.Similarity > 0) || cosine(h.Memory.Vector, near) != *h.Similarity {
				t.Fatalf("content %q, vector %v, similarity %v", h.Memory.Content, h.Memory.Vector, *h.Similarity)
			}
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
