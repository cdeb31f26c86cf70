package graph_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/engramd/engramd/node/record"
)

// What happens while a chunk is merged is there afterwards.
func TestMergeCarriesOverWhatCameMeanwhile(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 6))
		h := newHome()
		h.feed(randomOps(r, 3000, 200)...)
		for range 3 {
			err := h.graph.MergeBeside(t.Context(), func() { h.feed(randomOps(r, 300, 200)...) })
			if err != nil {
				t.Fatal(err)
			}
			check(t, "merged beside a writer", h.model, h.graph.Snapshot())
			counts(t, h.model, h.graph)
		}
		if err := h.graph.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, "merged", h.model, h.graph.Snapshot())
	}
}

// What is gone costs nothing after a merge, even if it went while another one was under way.
func TestMergeReturnsMemory(t *testing.T) {
	h := newHome()
	var links, unlinks []record.Op
	for i := range record.Ord(4000) {
		links = append(links, put(1+i)...)
	}
	for i := range record.Ord(3000) {
		links = append(links, link(1+i, 1001+i, 5))
		unlinks = append(unlinks, record.Op{Kind: record.Unlink, Ord: 1 + i, To: 1001 + i})
	}
	for _, beside := range []bool{false, true} {
		h.feed(links...)
		if err := h.graph.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		full := h.graph.Stats().Bytes
		if beside {
			var once sync.Once
			if err := h.graph.MergeBeside(t.Context(), func() { once.Do(func() { h.feed(unlinks...) }) }); err != nil {
				t.Fatal(err)
			}
		} else {
			h.feed(unlinks...)
		}
		if err := h.graph.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		// An edge is 6 bytes forward and 4 in reverse, and 4 were the index of its source.
		if empty := h.graph.Stats().Bytes; full-empty < 3000*(6+4+4) {
			t.Errorf("beside a merge %v: %d bytes with 3000 edges, %d without", beside, full, empty)
		}
	}
}

func TestWeightOfAnEdge(t *testing.T) {
	h := newHome()
	h.feed(put(1, 2, 3)...)
	h.feed(link(1, 2, -7), link(1, 3, 8), link(1, 4, 9), remove(3))
	s := h.graph.Snapshot()
	for to, want := range map[record.Ord]record.Weight{2: -7, 3: 0, 4: 0, 5: 0} {
		if w, ok := s.Weight(1, to); w != want || ok != (want != 0) {
			t.Errorf("weight of 1 to %d is %d, %v; want %d", to, w, ok, want)
		}
	}
}
