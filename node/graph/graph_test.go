package graph_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
)

// randomOp returns an op about one of n ordinals, which it scatters over several chunks.
func randomOp(r *rand.Rand, n int) record.Op {
	ord := func() record.Ord { return place(r.IntN(n)) }
	op := record.Op{Ord: ord(), To: ord()}
	switch k := r.IntN(100); {
	case k < 20:
		op.Kind, op.To = record.Put, 0
	case k < 24:
		op.Kind, op.To = record.Delete, 0
	case k < 26:
		op.Kind, op.To = record.Touch, 0
	case k < 75:
		op.Kind, op.Weight = record.Link, randomWeight(r)
	case k < 85:
		op.Kind = record.Unlink
	default:
		op.Kind, op.Weight = record.Strengthen, randomWeight(r)
	}
	return op
}

// randomWeight returns one of few weights, so that many are equal, and now and then one that no edge may have.
func randomWeight(r *rand.Rand) record.Weight {
	if r.IntN(30) == 0 {
		return 0
	}
	w := record.WeightOne / 4 * record.Weight(1+r.IntN(4))
	if r.IntN(5) == 0 {
		return -w
	}
	return w
}

func randomOps(r *rand.Rand, count, n int) []record.Op {
	ops := make([]record.Op, count)
	for i := range ops {
		ops[i] = randomOp(r, n)
	}
	return ops
}

// The graph is what the ops say, before and after merges and sweeps; a snapshot stays what it was.
func TestGraphIsWhatTheOpsSay(t *testing.T) {
	for seed := range uint64(15) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := newHome()
		if err := h.graph.Loaded(); err != nil {
			t.Fatal(err)
		}
		n := 2 + r.IntN(198)
		var kept *graph.Snapshot
		var then *model
		for round := range 12 {
			h.feed(randomOps(r, 1+r.IntN(400), n)...)
			check(t, "after a batch", h.model, h.graph.Snapshot())
			counts(t, h.model, h.graph)
			if round == 4 {
				kept, then = h.graph.Snapshot(), h.model.clone()
			}
			switch r.IntN(4) {
			case 0, 1:
				before := tell(h.graph.Snapshot())
				if err := h.graph.Merge(t.Context()); err != nil {
					t.Fatal(err)
				}
				check(t, "after a merge", h.model, h.graph.Snapshot())
				if s := h.graph.Stats(); s.DeltaRows != 0 || s.DeltaEdges != 0 {
					t.Fatalf("merged graph has a delta: %+v", s)
				}
				if len(before) != len(tell(h.graph.Snapshot())) {
					t.Fatal("a merge changed an answer")
				}
			case 2:
				if _, err := h.graph.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				check(t, "after a sweep", h.model, h.graph.Snapshot())
				counts(t, h.model, h.graph)
			}
		}
		check(t, "old snapshot", then, kept)
	}
}

// lawful tells whether the store would log op: nothing is done to the dead but freeing them.
func lawful(m *model, op record.Op) bool {
	switch op.Kind {
	case record.Put:
		return !m.dead[op.Ord]
	case record.Delete:
		return m.alive[op.Ord]
	case record.Link, record.Strengthen:
		return m.alive[op.Ord] && m.alive[op.To] && op.Ord != op.To && op.Weight.Valid()
	}
	return true
}

// live lets a home live for some rounds, as the store would.
func (h *home) live(t *testing.T, r *rand.Rand, rounds int) {
	t.Helper()
	for range rounds {
		for _, op := range randomOps(r, 500, 150) {
			if lawful(h.model, op) {
				h.feed(op)
			}
		}
		if _, err := h.graph.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the order in which a base is read, and however far a checkpoint that was cut had brought it when the log is replayed
// over it, the graph is the same.
func TestGraphIsTheSameAfterLoading(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 2))
		life := newHome()
		life.live(t, r, 3)
		older, replayed := life.model.clone(), len(life.log)
		life.live(t, r, 3)
		newer := life.model.clone()
		life.live(t, r, 2)
		order := slices.Clone(places)
		for _, shuffle := range []bool{false, true} {
			if shuffle {
				r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			}
			again := newHome()
			again.model = mixed(r, older, newer)
			again.load(order)
			again.graph.Apply(life.log[replayed:])
			again.model = life.model.clone()
			if err := again.graph.Loaded(); err != nil {
				t.Fatal(err)
			}
			check(t, "loaded", again.model, again.graph.Snapshot())
			counts(t, again.model, again.graph)
			if err := again.graph.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			check(t, "loaded and merged", again.model, again.graph.Snapshot())
		}
	}
}

// mixed returns a base that has some keys as they were and some as they became.
func mixed(r *rand.Rand, older, newer *model) *model {
	m := newModel()
	for _, ord := range places {
		from := older
		if r.IntN(2) == 0 {
			from = newer
		}
		if from.alive[ord] {
			m.alive[ord] = true
		}
		if from = older; r.IntN(2) == 0 {
			from = newer
		}
		if len(from.edges[ord]) > 0 {
			m.edges[ord] = maps.Clone(from.edges[ord])
		}
	}
	return m
}

func FuzzApply(f *testing.F) {
	f.Add([]byte{1, 0, 0, 1, 1, 0, 3, 0, 1, 200, 2, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		h := newHome()
		var batch []record.Op
		for len(data) >= 4 {
			batch = append(batch, record.Op{
				Kind: record.Kind(data[0] % 8), Ord: place(int(data[1])), To: place(int(data[2])),
				Weight: record.Weight(int8(data[3])) * 200,
			})
			if data[0]&8 != 0 {
				h.feed(batch...)
				batch = nil
			}
			if data[0]&16 != 0 {
				if err := h.graph.Merge(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			data = data[4:]
		}
		h.feed(batch...)
		check(t, "fuzzed", h.model, h.graph.Snapshot())
		counts(t, h.model, h.graph)
	})
}
