package graph_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

func put(ords ...record.Ord) (ops []record.Op) {
	for _, ord := range ords {
		ops = append(ops, record.Op{Kind: record.Put, Ord: ord})
	}
	return ops
}

func link(from, to record.Ord, w record.Weight) record.Op {
	return record.Op{Kind: record.Link, Ord: from, To: to, Weight: w}
}

func remove(ord record.Ord) record.Op { return record.Op{Kind: record.Delete, Ord: ord} }

// hub returns a home where n memories lead to 1, which leads to them.
func hub(n int) *home {
	h := newHome()
	ops := put(1)
	for i := range record.Ord(n) {
		ops = append(ops, put(2+i)...)
		ops = append(ops, link(1, 2+i, 7), link(2+i, 1, 7))
	}
	h.feed(ops...)
	return h
}

// An ordinal is freed after all edges to it were unlinked in the log, and only once.
func TestSweepUnlinksBeforeItFrees(t *testing.T) {
	h := hub(2500)
	h.feed(remove(1))
	before := len(h.log)
	freed, err := h.graph.Sweep(t.Context())
	if err != nil || freed != 1 {
		t.Fatalf("swept %d, %v; want 1", freed, err)
	}
	swept := h.log[before:]
	if len(swept) != 2501 || swept[2500].Kind != record.Free || swept[2500].Ord != 1 {
		t.Fatalf("%d ops, the last %+v; want 2500 unlinks and one free", len(swept), swept[len(swept)-1])
	}
	for _, op := range swept[:2500] {
		if op.Kind != record.Unlink || op.To != 1 {
			t.Fatalf("%+v before the free", op)
		}
	}
	if st := h.graph.Stats(); st.Edges != 0 || st.Dead != 0 || st.Memories != 2500 {
		t.Fatalf("after the sweep: %+v", st)
	}
	if freed, err := h.graph.Sweep(t.Context()); err != nil || freed != 0 {
		t.Fatalf("the second sweep freed %d, %v", freed, err)
	}
	h.feed(put(1)...)
	if n := len(h.graph.Snapshot().Edges(1)); n != 0 {
		t.Fatalf("the next memory of the ordinal has %d edges", n)
	}
}

// A sweep that the store stops half-way is finished by the next one.
func TestSweepGoesOnAfterARefusal(t *testing.T) {
	h := hub(2500)
	h.feed(remove(1))
	full := errors.New("full")
	n := 0
	h.fail = func(store.Change) error {
		if n++; n > 1500 {
			return full
		}
		return nil
	}
	if _, err := h.graph.Sweep(t.Context()); !errors.Is(err, full) {
		t.Fatalf("got %v; want %v", err, full)
	}
	if st := h.graph.Stats(); st.Dead != 1 || st.Edges != 1500 {
		t.Fatalf("after half a sweep: %+v", st)
	}
	h.fail = nil
	if _, err := h.graph.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := h.graph.Stats(); st.Dead != 0 || st.Edges != 0 {
		t.Fatalf("after the other half: %+v", st)
	}
}

// What the store knows as free is not asked for again.
func TestSweepForgetsWhatIsFree(t *testing.T) {
	h := hub(3)
	h.feed(remove(1))
	delete(h.model.dead, 1)
	if _, err := h.graph.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := h.graph.Stats(); st.Dead != 0 {
		t.Fatalf("still dead: %+v", st)
	}
}

// Loading marks what the space knows better: memories whose value is damaged are alive, and what was deleted before the
// restart is still to be swept.
func TestLoadedAsksTheSpace(t *testing.T) {
	h := newHome()
	h.graph.LoadValue(1, nil)
	h.graph.LoadEdges(1, []store.EdgeTo{{To: 2, Weight: 5}, {To: 3, Weight: 5}, {To: 9000, Weight: 6}})
	h.more[2], h.more[9001] = true, true
	h.model.dead[3] = true
	if err := h.graph.Loaded(); err != nil {
		t.Fatal(err)
	}
	s := h.graph.Snapshot()
	for ord, want := range map[record.Ord]bool{1: true, 2: true, 3: false, 9000: false, 9001: true} {
		if s.Alive(ord) != want {
			t.Errorf("%d: alive is %v", ord, !want)
		}
	}
	if _, err := h.graph.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []record.Op{{Kind: record.Unlink, Ord: 1, To: 3}, {Kind: record.Free, Ord: 3}}
	if !slices.EqualFunc(h.log, want, func(a, b record.Op) bool { return a.Kind == b.Kind && a.Ord == b.Ord && a.To == b.To }) {
		t.Fatalf("swept %+v", h.log)
	}
	if _, ok := h.graph.Snapshot().Weight(1, 2); !ok {
		t.Fatal("the edge to the damaged memory is gone")
	}
}

// Run merges and sweeps by itself, tries again what was refused, and ends without a trace.
func TestRunMergesAndSweeps(t *testing.T) {
	for _, end := range []string{"cancelled", "closed"} {
		t.Run(end, func(t *testing.T) { runs(t, end) })
	}
}

func runs(t *testing.T, end string) {
	synctest.Test(t, func(t *testing.T) {
		h := hub(3000)
		refusals := 0
		h.fail = func(store.Change) error {
			if refusals++; refusals <= 3 {
				return store.ErrFull
			}
			return nil
		}
		h.feed(remove(1))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error)
		go func() { ended <- h.graph.Run(ctx) }()
		for h.graph.Stats().Dead > 0 {
			if h.graph.Stats().Merges > 100 {
				t.Error("it merges again and again")
				break
			}
			synctest.Wait()
			if h.graph.Stats().Dead > 0 {
				tick(ctx)
			}
		}
		if st := h.graph.Stats(); st.Edges != 0 || st.Merges == 0 || refusals < 4 {
			t.Errorf("%+v after %d refusals", st, refusals)
		}
		if end == "cancelled" {
			stop()
		} else if err := h.graph.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Random deletions: every dead end goes, nothing else does.
func TestSweepLeavesTheRest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	h := newHome()
	h.live(t, r, 8)
	check(t, "lived", h.model, h.graph.Snapshot())
	for _, from := range places {
		for _, e := range h.graph.Snapshot().Edges(from) {
			if !h.model.alive[e.To()] {
				t.Errorf("dead end %d -> %d", from, e.To())
			}
		}
	}
}
