package spread_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
)

const (
	degree = 10
	hops   = 3
	block  = 100 // spreads in a row
)

// everywhere are options with which a spread follows every edge that it can reach.
func everywhere() spread.Options {
	o := spread.Defaults()
	o.Hops, o.FanOut, o.Threshold, o.Decay = hops, degree, 1e-6, 0.9
	return o
}

var graphs = map[int]*graph.Graph{}

// each runs fn for graphs of 10K, 100K and 1M memories, or of as many as ENGRAM_BENCH_MEMORIES says (5000000, say).
func each(b *testing.B, fn func(b *testing.B, n int, g *graph.Snapshot)) {
	sizes := []int{10_000, 100_000, 1_000_000}
	if text := os.Getenv("ENGRAM_BENCH_MEMORIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 2 {
			b.Fatalf("ENGRAM_BENCH_MEMORIES is %q; a number of memories is wanted", text)
		}
		sizes = []int{n}
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("memories=%d", n), func(b *testing.B) {
			if graphs[n] == nil {
				clear(graphs)
				graphs[n] = random(b, n, degree)
			}
			fn(b, n, graphs[n].Snapshot())
		})
	}
}

// A bare is the least that anything can do which visits what a spread visits: a frontier and a mark a memory.
type bare struct {
	seen  []uint32
	epoch uint32
	front []record.Ord
	next  []record.Ord
}

func (x *bare) run(g *graph.Snapshot, seed record.Ord) (edges int) {
	x.epoch++
	x.seen[seed] = x.epoch
	x.front = append(x.front[:0], seed)
	for range hops {
		x.next = x.next[:0]
		for _, from := range x.front {
			row := g.Edges(from)
			for _, e := range row[:min(len(row), degree)] {
				edges++
				if to := e.To(); x.seen[to] != x.epoch {
					x.seen[to] = x.epoch
					x.next = append(x.next, to)
				}
			}
		}
		x.front, x.next = x.next, x.front
	}
	return edges
}

// BenchmarkSpread compares spreads with bare loops over the same arrays from the same seeds, block by block in
// turns.
func BenchmarkSpread(b *testing.B) {
	each(b, func(b *testing.B, n int, g *graph.Snapshot) {
		r := rand.New(rand.NewPCG(1, 1))
		var w spread.Worker
		x := bare{seen: make([]uint32, n+1)}
		seeds := make([]record.Ord, block)
		var spreads, bares []time.Duration
		edges, bareEdges := 0, 0
		doSpread := func() {
			for _, seed := range seeds {
				begin := time.Now()
				result, err := w.Spread(b.Context(), g, []spread.Seed{{Ord: seed, Activation: 1}}, everywhere())
				spreads = append(spreads, time.Since(begin))
				if err != nil {
					b.Fatal(err)
				}
				edges += result.Edges
			}
		}
		doBare := func() {
			for _, seed := range seeds {
				begin := time.Now()
				bareEdges += x.run(g, seed)
				bares = append(bares, time.Since(begin))
			}
		}
		for turn := 0; b.Loop(); turn++ {
			for i := range seeds {
				seeds[i] = record.Ord(1 + r.IntN(n))
			}
			if turn%2 == 0 {
				doSpread()
				doBare()
			} else {
				doBare()
				doSpread()
			}
		}
		slices.Sort(spreads)
		slices.Sort(bares)
		p50, p99, bare50 := at(spreads, 50), at(spreads, 99), at(bares, 50)
		b.ReportMetric(micros(p50), "p50-us")
		b.ReportMetric(micros(p99), "p99-us")
		b.ReportMetric(micros(bare50), "bare-p50-us")
		b.ReportMetric(100*float64(bare50)/float64(p50), "%-of-bare")
		b.ReportMetric(float64(edges)/float64(len(spreads)), "edges")
		b.ReportMetric(float64(bareEdges)/float64(len(bares)), "bare-edges")
	})
}

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// BenchmarkConcurrent compares four spreads at a time with one, best time against best time. Beside it stands what the
// machine gives to the same goroutines for arithmetic alone: less than 2 on two cores means that others use them.
func BenchmarkConcurrent(b *testing.B) {
	each(b, func(b *testing.B, n int, g *graph.Snapshot) {
		workers := make([]spread.Worker, 4)
		spreads := func(i int) {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			for range block {
				seed := spread.Seed{Ord: record.Ord(1 + r.IntN(n)), Activation: 1}
				if _, err := workers[i].Spread(b.Context(), g, []spread.Seed{seed}, everywhere()); err != nil {
					b.Error(err)
				}
			}
		}
		var sums [4]uint64
		arithmetic := func(i int) {
			x := uint64(i)
			for range 1_000_000 {
				x = x*6364136223846793005 + 1442695040888963407
			}
			sums[i] = x
		}
		var times [4][]time.Duration
		for b.Loop() {
			for i, work := range []func(int){spreads, arithmetic} {
				times[2*i] = append(times[2*i], inTurn(work))
				times[2*i+1] = append(times[2*i+1], together(work))
			}
		}
		b.ReportMetric(float64(slices.Min(times[0]))/float64(slices.Min(times[1])), "x-one")
		b.ReportMetric(float64(slices.Min(times[2]))/float64(slices.Min(times[3])), "x-one-arithmetic")
	})
}

// inTurn returns how long four pieces of work take one after the other.
func inTurn(work func(int)) time.Duration {
	begin := time.Now()
	for i := range 4 {
		work(i)
	}
	return time.Since(begin)
}

// together returns how long four pieces of work take at the same time.
func together(work func(int)) time.Duration {
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { work(i) })
	}
	wg.Wait()
	return time.Since(begin)
}
