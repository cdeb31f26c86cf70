package node_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/vector"
	"github.com/google/go-cmp/cmp"
)

func vec(x ...float32) node.Patch { return node.Patch{Vector: &x} }

func TestVectorsAreKeptAndCompared(t *testing.T) {
	opts := small(t.TempDir())
	n, stop := running(t, opts)
	ctx := t.Context()
	m := node.Memory{ID: "a", Content: "one", Vector: []float32{1, 2, 3}}
	r, err := n.Remember(ctx, "default", m)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := n.Remember(ctx, "default", m); err != nil || again.Created || again.Version != r.Version {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	other := m
	other.Vector = []float32{1, 2, 4}
	if _, err := n.Remember(ctx, "default", other); !errors.Is(err, node.ErrConflict) {
		t.Errorf("another vector: %v; want ErrConflict", err)
	}
	for name, x := range map[string][]float32{
		"dimension": {1, 2}, "NaN": {1, 2, float32(math.NaN())}, "Inf": {float32(math.Inf(1)), 2, 3},
	} {
		if _, err := n.Remember(ctx, "default", node.Memory{ID: "x", Vector: x}); !errors.Is(err, node.ErrInvalid) {
			t.Errorf("%s: %v; want ErrInvalid", name, err)
		}
		if _, err := n.Patch(ctx, "default", "a", 0, vec(x...)); !errors.Is(err, node.ErrInvalid) {
			t.Errorf("patch, %s: %v; want ErrInvalid", name, err)
		}
	}
	want := func(id string, x ...float32) {
		t.Helper()
		got, err := n.Get(ctx, "default", id)
		if err != nil || !slices.Equal(got.Vector, x) {
			t.Errorf("%s has %v, %v; want %v", id, got.Vector, err, x)
		}
	}
	if p, err := n.Patch(ctx, "default", "a", 0, text("two")); err != nil || !slices.Equal(p.Vector, m.Vector) {
		t.Errorf("a patch of the content: %+v, %v", p, err)
	}
	want("a", 1, 2, 3)
	mine := []float32{4, 5, 6}
	if p, err := n.Patch(ctx, "default", "a", 0, node.Patch{Vector: &mine}); err != nil || !slices.Equal(p.Vector, mine) {
		t.Errorf("a patch of the vector: %+v, %v", p, err)
	}
	mine[0] = 9 // still the caller's
	want("a", 4, 5, 6)
	if _, err := n.Remember(ctx, "default", node.Memory{ID: "b", Vector: []float32{7, 8, 9}}); err != nil {
		t.Fatal(err)
	}
	if p, err := n.Patch(ctx, "default", "b", 0, vec()); err != nil || len(p.Vector) != 0 {
		t.Errorf("a patch that takes the vector away: %+v, %v", p, err)
	}
	for range 3 {
		want("a", 4, 5, 6)
		want("b")
		if got, err := n.Get(ctx, "default", "a", node.WithoutVector); err != nil || got.Vector != nil {
			t.Errorf("without: %+v, %v", got, err)
		}
		with, _, err := n.List(ctx, "default", 0, 10, nil)
		if err != nil || len(with) != 2 || !slices.Equal(with[0].Vector, []float32{4, 5, 6}) {
			t.Errorf("%+v, %v", with, err)
		}
		without, _, err := n.List(ctx, "default", 0, 10, nil, node.WithoutVector)
		if err != nil || len(without) != 2 || without[0].Vector != nil {
			t.Errorf("%+v, %v", without, err)
		}
		stop()
		n, stop = running(t, opts)
	}
}

// TestADamagedVector hides nothing else, and is healed by a patch.
func TestADamagedVector(t *testing.T) {
	opts := small(t.TempDir())
	n, stop := running(t, opts)
	ctx := t.Context()
	for i := range 3 {
		if _, err := n.Remember(ctx, "default", node.Memory{ID: fmt.Sprint("m", i), Content: "text", Vector: []float32{1, float32(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	files, err := filepath.Glob(opts.DataDir + "/spaces/*/vectors")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[8192+2*64+36] ^= 1 // of ordinal 2, the second number
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ = running(t, opts)
	if m, err := n.Get(ctx, "default", "m1"); !errors.Is(err, node.ErrCorrupt) {
		t.Errorf("%+v, %v; want ErrCorrupt", m, err)
	}
	if m, err := n.Get(ctx, "default", "m1", node.WithoutVector); err != nil || m.Content != "text" {
		t.Errorf("without: %+v, %v", m, err)
	}
	if ms, _, err := n.List(ctx, "default", 0, 10, nil); err != nil || len(ms) != 2 {
		t.Errorf("list: %+v, %v", ms, err)
	}
	if v, err := n.Vectors("default"); err != nil || len(v.Faults()) != 1 || v.Stats().Damaged != 1 {
		t.Errorf("not told: %v, %v", v.Faults(), err)
	}
	if m, err := n.Patch(ctx, "default", "m1", 0, text("more")); err != nil || m.Vector != nil {
		t.Errorf("patch of the content: %+v, %v", m, err)
	}
	if _, err := n.Patch(ctx, "default", "m1", 0, vec(5, 5)); err != nil {
		t.Error(err)
	}
	if m, err := n.Get(ctx, "default", "m1"); err != nil || m.Content != "more" || !slices.Equal(m.Vector, []float32{5, 5}) {
		t.Errorf("healed: %+v, %v", m, err)
	}
}

// TestVectorsThroughLives holds vectors against a model over writes, deletes, checkpoints, kills and restarts.
func TestVectorsThroughLives(t *testing.T) {
	opts := small(t.TempDir())
	opts.Store.CheckpointEvery, opts.Store.CheckpointBytes = time.Hour, 1<<30 // only where the test says: none beside the copy
	rng := rand.New(rand.NewPCG(9, 9))
	model := map[string][]float32{}
	ctx := t.Context()
	for life := range 6 {
		n, stop := running(t, opts)
		for range 150 {
			id := fmt.Sprint("m", rng.IntN(60))
			x := []float32{rng.Float32(), rng.Float32(), rng.Float32()}
			_, there := model[id]
			var err error
			switch do := rng.IntN(5); {
			case !there:
				_, err = n.Remember(ctx, "default", node.Memory{ID: id, Vector: x})
				model[id] = x
			case do == 0:
				err = n.Delete(ctx, "default", id, 0)
				delete(model, id)
			case do == 1:
				_, err = n.Patch(ctx, "default", id, 0, text(fmt.Sprint(rng.Uint64())))
			case do == 2:
				_, err = n.Patch(ctx, "default", id, 0, vec())
				model[id] = nil
			default:
				_, err = n.Patch(ctx, "default", id, 0, vec(x...))
				model[id] = x
			}
			if err != nil {
				t.Fatal(err)
			}
			if rng.IntN(40) == 0 {
				if err := n.Store().Checkpoint(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		killed := filepath.Join(t.TempDir(), "data")
		sameVectors(t, n, model)
		if err := os.CopyFS(killed, os.DirFS(opts.DataDir)); err != nil {
			t.Fatal(err)
		}
		stop()
		if life%2 == 0 {
			opts.DataDir = killed
		}
		n, stop = running(t, opts)
		sameVectors(t, n, model)
		stop()
	}
}

func sameVectors(t *testing.T, n *node.Node, model map[string][]float32) {
	t.Helper()
	got := map[string][]float32{}
	ms, _, err := n.List(t.Context(), "default", 0, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		got[m.ID] = m.Vector
	}
	if diff := cmp.Diff(model, got); diff != "" {
		t.Fatalf("vectors (-want +got):\n%s", diff)
	}
}

// TestVectorsBesideWriters reads and searches while vectors and contents change together: what is read is always of one write.
func TestVectorsBesideWriters(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	const memories, rounds = 8, 60
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	whole := func(i int) ([]float32, string) {
		x := make([]float32, 100)
		for k := range x {
			x[k] = float32(i)
		}
		return x, fmt.Sprint(i)
	}
	x, s := whole(1)
	for id := range memories {
		if _, err := n.Remember(ctx, "default", node.Memory{ID: fmt.Sprint(id), Content: s, Vector: x}); err != nil {
			t.Fatal(err)
		}
	}
	var writers, readers sync.WaitGroup
	for id := range memories {
		writers.Go(func() {
			for i := range rounds {
				x, s := whole(i + 2)
				if _, err := n.Patch(ctx, "default", fmt.Sprint(id), 0, node.Patch{Content: &s, Vector: &x}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	v, err := n.Vectors("default")
	if err != nil {
		t.Fatal(err)
	}
	ones, _ := whole(1)
	readers.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			m, err := n.Get(t.Context(), "default", fmt.Sprint(i%memories))
			if err != nil {
				t.Error(err)
				return
			}
			for _, x := range m.Vector {
				if fmt.Sprint(x) != m.Content {
					t.Errorf("content %s with vector %v", m.Content, x)
					return
				}
			}
		}
	})
	readers.Go(func() {
		for ctx.Err() == nil {
			r, err := v.Search(t.Context(), vector.Query{Vector: ones, K: memories, Metric: vector.Dot})
			if err != nil || len(r.Hits) != memories {
				t.Error(r, err)
				return
			}
			for _, h := range r.Hits {
				if h.Score != 100*float32(math.Round(float64(h.Score)/100)) {
					t.Errorf("a torn vector: %+v", h)
				}
			}
		}
	})
	writers.Wait()
	cancel()
	readers.Wait()
	if len(v.Faults()) > 0 {
		t.Error(v.Faults())
	}
}
