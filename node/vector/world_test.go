package vector_test

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a view, and what it must say.
type world struct {
	*vector.View
	t    testing.TB
	opts vector.Options
	lsn  uint64
	want map[record.Ord]wanted
}

type wanted struct {
	version uint64
	vector  []float32
}

func newWorld(t testing.TB, opts vector.Options) *world {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	w := &world{t: t, opts: opts, want: map[record.Ord]wanted{}}
	w.open()
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// open opens the view as the store does, with a base that has all that is wanted.
func (w *world) open() {
	w.t.Helper()
	v, err := vector.New(w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.View = v
	for _, ord := range w.ords() {
		v.LoadValue(ord, valueOf(ord, w.want[ord].version, w.want[ord].vector))
	}
	if err := v.Loaded(); err != nil {
		w.t.Fatal(err)
	}
}

// again closes the view, changes its files, and opens it.
func (w *world) again(between func()) {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatal(err)
	}
	if between != nil {
		between()
	}
	w.open()
}

func (w *world) ords() []record.Ord {
	var out []record.Ord
	for ord := range w.want {
		out = append(out, ord)
	}
	slices.Sort(out)
	return out
}

func valueOf(ord record.Ord, version uint64, x []float32) record.Value {
	m := record.Memory{ID: "m", Vector: x}
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(ord, version)
	return v
}

func (w *world) put(ord record.Ord, x []float32) {
	w.lsn++
	w.Apply([]record.Op{{Kind: record.Put, Ord: ord, LSN: w.lsn, Vector: x, Value: valueOf(ord, w.lsn, x)}})
	w.want[ord] = wanted{w.lsn, x}
}

func (w *world) remove(ord record.Ord) {
	w.lsn++
	w.Apply([]record.Op{{Kind: record.Delete, Ord: ord, LSN: w.lsn}})
	delete(w.want, ord)
}

func (w *world) fill(rng *rand.Rand, n, dim int) {
	for i := range n {
		w.put(record.Ord(i+1), random(rng, dim))
	}
}

func (w *world) checkpoint() {
	w.t.Helper()
	if err := w.Checkpoint(w.lsn); err != nil {
		w.t.Fatal(err)
	}
}

// get returns the vector of ord, or why not.
func (w *world) get(ord record.Ord) ([]float32, error) {
	return w.Get(context.Background(), ord, w.lsn)
}

// check holds all vectors and a search against what is wanted.
func (w *world) check() {
	w.t.Helper()
	for ord, want := range w.want {
		if got, err := w.get(ord); err != nil || !slices.Equal(got, want.vector) {
			w.t.Fatalf("vector of %d: %v, %v; want %v", ord, got, err, want.vector)
		}
	}
	if s := w.Stats(); s.Count != len(w.want) || s.Damaged != 0 {
		w.t.Fatalf("%+v; want %d vectors", s, len(w.want))
	}
	w.checkSearch(vector.Query{K: 7})
	w.checkSearch(vector.Query{K: 7, Metric: vector.Dot})
}

// checkSearch holds a search against a plain one. Scores may differ in their last bits.
func (w *world) checkSearch(q vector.Query) {
	w.t.Helper()
	dim := w.Stats().Dimension
	if dim == 0 {
		return
	}
	if q.Vector == nil {
		q.Vector = random(rand.New(rand.NewPCG(7, w.lsn)), dim)
	}
	got, err := w.Search(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	want := plainSearch(w.want, q)
	if len(got.Hits) != len(want) || got.Partial || got.Scanned != len(w.want) {
		w.t.Fatalf("%d hits of %d, partial %v; want %d of %d", len(got.Hits), got.Scanned, got.Partial, len(want), len(w.want))
	}
	for i, h := range got.Hits {
		if h.Version != w.want[h.Ord].version || !near(float64(h.Score), score(q, w.want[h.Ord].vector)) || !near(float64(h.Score), want[i].score) {
			w.t.Fatalf("hit %d is %+v; want %+v", i, h, want[i])
		}
		if i > 0 && (got.Hits[i-1].Score < h.Score || got.Hits[i-1].Score == h.Score && q.Metric == vector.Dot && got.Hits[i-1].Ord > h.Ord) {
			w.t.Fatalf("hit %d is out of order: %+v", i, got.Hits)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*max(1, math.Abs(b)) }

type scored struct {
	ord   record.Ord
	score float64
}

// plainSearch is the reference: all scores in float64, and a sort.
func plainSearch(vectors map[record.Ord]wanted, q vector.Query) []scored {
	var all []scored
	for ord, v := range vectors {
		if q.Keep == nil || q.Keep(ord) {
			all = append(all, scored{ord, score(q, v.vector)})
		}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.ord, b.ord)) })
	return all[:min(q.K, len(all))]
}

func score(q vector.Query, x []float32) float64 {
	var dot, a, b float64
	for i := range x {
		dot += float64(x[i]) * float64(q.Vector[i])
		a += float64(x[i]) * float64(x[i])
		b += float64(q.Vector[i]) * float64(q.Vector[i])
	}
	switch {
	case q.Metric == vector.Dot:
		return dot
	case a == 0:
		return 0
	}
	return dot / math.Sqrt(a) / math.Sqrt(b)
}

func random(rng *rand.Rand, dim int) []float32 {
	x := make([]float32, dim)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// change changes bytes of a file.
func change(t testing.TB, dir string, fn func(b []byte) []byte) {
	t.Helper()
	name := filepath.Join(dir, "vectors")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, fn(b), 0o600); err != nil {
		t.Fatal(err)
	}
}
