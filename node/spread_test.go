package node_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/threads"
	"github.com/google/go-cmp/cmp"
)

// web makes a random graph of some memories, of which some were deleted and others remembered since.
func web(t testing.TB, n *node.Node, rng *rand.Rand, memories int) {
	t.Helper()
	var ms []node.Memory
	for i := range memories {
		ms = append(ms, node.Memory{ID: fmt.Sprintf("m%d", i), Content: "x"})
	}
	if _, err := n.RememberAll(t.Context(), "default", ms); err != nil {
		t.Fatal(err)
	}
	weave := func() {
		var edges []node.Edge
		for range 8 * memories {
			w, err := record.NewWeight(1-rng.Float64(), rng.IntN(5) == 0)
			if err != nil {
				t.Fatal(err)
			}
			edges = append(edges, node.Edge{From: ms[rng.IntN(memories)].ID, To: ms[rng.IntN(memories)].ID, Weight: w})
		}
		if _, err := n.Link(t.Context(), "default", edges); err != nil { // to itself, and of what is deleted: refused one by one
			t.Fatal(err)
		}
	}
	weave()
	for range memories / 4 {
		if err := n.Delete(t.Context(), "default", ms[rng.IntN(memories)].ID, 0); err != nil && !errors.Is(err, node.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if _, err := n.RememberAll(t.Context(), "default", ms[:memories/2]); err != nil {
		t.Fatal(err)
	}
	weave()
}

// reach spreads from many seeds and tells everything that comes of it.
func reach(t testing.TB, n *node.Node, space string) (out []node.Spreading) {
	t.Helper()
	for i := range 20 {
		o := spread.Defaults()
		o.Hops, o.FanOut, o.Limit = 1+i%4, 4+i, 50
		s, err := n.Spread(t.Context(), space, []node.Seed{{ID: fmt.Sprintf("m%d", i), Activation: 1}, {ID: fmt.Sprintf("m%d", 2*i), Activation: 0.5}}, o)
		if err != nil && !errors.Is(err, node.ErrNotFound) {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// TestSpreadIsTheSameAfterwards: the same answers, to the last bit, after dead ends were swept, after a checkpoint, a compaction, a change
// of workers, a restore and a restart.
func TestSpreadIsTheSameAfterwards(t *testing.T) {
	for seed := range uint64(3) {
		dir := t.TempDir()
		n, end := running(t, small(dir))
		web(t, n, rand.New(rand.NewPCG(seed, 1)), 400)
		before := reach(t, n, "default")
		hits := 0
		for _, s := range before {
			hits += len(s.Hits)
		}
		if hits < 100 {
			t.Fatalf("only %d hits: this tests nothing", hits)
		}
		same := func(when string, n *node.Node) {
			t.Helper()
			if diff := cmp.Diff(before, reach(t, n, "default")); diff != "" {
				t.Fatalf("after %s (-before +after):\n%s", when, diff)
			}
		}
		eventually(t, "dead ends are swept", func() bool { return n.Stats().Spaces[0].Graph.Dead == 0 })
		same("a sweep", n)
		if err := n.Store().Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		same("a checkpoint", n)
		if _, err := n.Compact(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		same("a compaction", n)
		if err := n.SetThreading(threads.Settings{SpreadingWorkers: 3}); err != nil {
			t.Fatal(err)
		}
		same("a change of workers", n)
		shot, err := n.Snapshot(t.Context(), "default")
		if err == nil {
			_, err = n.RestoreSnapshot(t.Context(), shot.Name, "restored")
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, reach(t, n, "restored")); diff != "" {
			t.Fatalf("after a restore (-before +after):\n%s", diff)
		}
		end()
		n, _ = running(t, small(dir))
		same("a restart", n)
	}
}

// TestSpreadAnswersWhatItCannotDo.
func TestSpreadAnswersWhatItCannotDo(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	if _, err := n.Remember(t.Context(), "default", node.Memory{ID: "a", Content: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		space string
		seeds []node.Seed
		hops  int
		want  error
	}{
		"an unknown space":    {"nowhere", []node.Seed{{ID: "a", Activation: 1}}, 3, node.ErrNoSpace},
		"no seeds":            {"default", nil, 3, node.ErrInvalid},
		"only absent seeds":   {"default", []node.Seed{{ID: "b", Activation: 1}}, 3, node.ErrNotFound},
		"too much activation": {"default", []node.Seed{{ID: "a", Activation: 1.5}}, 3, node.ErrInvalid},
		"no hops":             {"default", []node.Seed{{ID: "a", Activation: 1}}, 0, node.ErrInvalid},
	} {
		o := spread.Defaults()
		o.Hops = c.hops
		if _, err := n.Spread(t.Context(), c.space, c.seeds, o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
	s, err := n.Spread(t.Context(), "default", []node.Seed{{ID: "a", Activation: 1}, {ID: "b", Activation: 1}}, spread.Defaults())
	if err != nil || len(s.Hits) != 1 || len(s.Absent) != 1 {
		t.Errorf("one seed of two is there: %+v, %v", s, err)
	}
}
