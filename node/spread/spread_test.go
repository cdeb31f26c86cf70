package spread_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/store"
)

// place scatters small numbers over several chunks of a graph.
func place(i int) record.Ord { return record.Ord(1 + i%40*3 + i/40*4096) }

// shapes are graphs that are hard in one way each: how many memories, and who leads to whom.
var shapes = map[string]struct {
	memories, edges int
	edge            func(r *rand.Rand, i, n int) (from, to int)
}{
	"random": {120, 700, func(r *rand.Rand, _, n int) (int, int) { return r.IntN(n), r.IntN(n) }},
	"dense":  {12, 300, func(r *rand.Rand, _, n int) (int, int) { return r.IntN(n), r.IntN(n) }},
	"cycle":  {9, 20, func(_ *rand.Rand, i, n int) (int, int) { return i % n, (i + 1) % n }},
	"mirror": {40, 120, func(r *rand.Rand, i, n int) (int, int) {
		if a, b := i/2*7%n, i/2*11%n; i%2 == 0 {
			return a, b
		} else {
			return b, a
		}
	}},
	"hub": {100, 400, func(r *rand.Rand, i, n int) (int, int) {
		if i%2 == 0 {
			return 0, r.IntN(n)
		}
		return r.IntN(n), 0
	}},
}

// weights that are often equal, often inhibitory, and now and then next to nothing.
func weight(r *rand.Rand) record.Weight {
	w := record.Weight(1 + r.IntN(4)*6666)
	if r.IntN(4) == 0 {
		return -w
	}
	return w
}

func options(r *rand.Rand) spread.Options {
	pick := func(x ...float64) float64 { return x[r.IntN(len(x))] }
	o := spread.Options{
		Hops: 1 + r.IntN(spread.MaxHops), FanOut: 1 + r.IntN(12), Limit: 1 + r.IntN(60),
		Threshold: pick(0, 1e-9, 0.01, 0.2, 0.6, 1), Decay: pick(1, 0.9, 0.5, 1e-3, 1e-10),
		WithoutSeeds: r.IntN(2) == 0,
	}
	if r.IntN(3) == 0 {
		o.Keep = func(ord record.Ord) bool { return ord%3 == 0 }
	}
	return o
}

func seeds(r *rand.Rand, n int) []spread.Seed {
	list := make([]spread.Seed, 1+r.IntN(5))
	for i := range list {
		list[i] = spread.Seed{Ord: place(r.IntN(n)), Activation: 1 - r.Float64()}
		if r.IntN(10) == 0 {
			list[i].Activation = 1e-12
		}
	}
	return list
}

// grow makes a graph op by op, with deletions, some of which are late, so that dead ends are left.
func grow(r *rand.Rand, shape string) (ops []record.Op) {
	s := shapes[shape]
	for i := range s.memories {
		ops = append(ops, record.Op{Kind: record.Put, Ord: place(i)})
	}
	for i := range s.edges {
		from, to := s.edge(r, i, s.memories)
		op := record.Op{Kind: record.Link, Ord: place(from), To: place(to), Weight: weight(r)}
		switch r.IntN(10) {
		case 0:
			op.Kind, op.Weight = record.Unlink, 0
		case 1:
			op.Kind = record.Strengthen
		}
		if from != to {
			ops = append(ops, op)
		}
	}
	for i := range s.memories {
		if r.IntN(12) == 0 {
			ops = append(ops, record.Op{Kind: record.Delete, Ord: place(i)})
		}
	}
	return ops
}

func encode(t *testing.T, r spread.Result) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reload returns a graph that was loaded with what is in p, in any order.
func reload(r *rand.Rand, p *plain) *graph.Graph {
	g := graph.New(still{}, graph.Options{})
	var order []record.Ord
	for i := range 130 {
		order = append(order, place(i))
	}
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, ord := range order {
		if p.alive[ord] {
			g.LoadValue(ord, nil)
		}
	}
	for _, from := range order {
		var edges []store.EdgeTo
		for to, w := range p.edges[from] {
			edges = append(edges, store.EdgeTo{To: to, Weight: w})
		}
		slices.SortFunc(edges, func(a, b store.EdgeTo) int { return int(a.To) - int(b.To) })
		g.LoadEdges(from, edges)
	}
	if err := g.Loaded(); err != nil {
		panic(err)
	}
	return g
}

// A spread is what the rule says, and its bytes are the same after a merge, a restart, and on a worker that did
// something else before.
func TestSpreadFollowsTheRule(t *testing.T) {
	for shape := range shapes {
		t.Run(shape, func(t *testing.T) {
			var used spread.Worker
			for seed := range uint64(60) {
				r := rand.New(rand.NewPCG(seed, 9))
				p, g := newPlain(), graph.New(still{}, graph.Options{})
				ops := grow(r, shape)
				for batch := range slices.Chunk(ops, 1+r.IntN(50)) {
					for _, op := range batch {
						p.apply(op)
					}
					g.Apply(batch)
				}
				from, o := seeds(r, shapes[shape].memories), options(r)
				want := p.spread(from, o)
				before := g.Snapshot()
				if err := g.Merge(t.Context()); err != nil {
					t.Fatal(err)
				}
				var fresh spread.Worker
				for _, way := range []struct {
					name   string
					worker *spread.Worker
					graph  *graph.Snapshot
				}{
					{"before the merge", &fresh, before},
					{"after the merge", &fresh, g.Snapshot()},
					{"on a used worker", &used, g.Snapshot()},
					{"after a restart", &used, reload(r, p).Snapshot()},
				} {
					r.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
					got, err := way.worker.Spread(t.Context(), way.graph, from, o)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("seed %d, %s, options %+v (-plain +spread):\n%s", seed, way.name, o, diff)
					}
					if encode(t, got) != encode(t, want) {
						t.Fatalf("seed %d, %s: other bytes", seed, way.name)
					}
				}
			}
		})
	}
}
