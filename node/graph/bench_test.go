package graph_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

const degree = 10

// size is how many memories the benchmarks have: ENGRAM_BENCH_MEMORIES, or a million.
func size(tb testing.TB) int {
	text := os.Getenv("ENGRAM_BENCH_MEMORIES")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 2 {
		tb.Fatalf("ENGRAM_BENCH_MEMORIES is %q; a number of memories is wanted", text)
	}
	return n
}

// loaded returns a graph of n memories with edges to random others.
func loaded(tb testing.TB, n int) *graph.Graph {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	g := graph.New(newHome(), graph.Options{})
	for i := range n {
		g.LoadValue(record.Ord(i+1), nil)
	}
	edges := make([]store.EdgeTo, degree)
	for i := range n {
		for j := range edges {
			edges[j] = store.EdgeTo{To: record.Ord(1 + (i+1+r.IntN(n-1))%n), Weight: 1 + record.Weight(r.IntN(int(record.WeightOne)))}
		}
		g.LoadEdges(record.Ord(i+1), edges)
	}
	if err := g.Loaded(); err != nil {
		tb.Fatal(err)
	}
	return g
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What Stats reports is what the heap grew by, of a base and of a delta alike.
func TestBytesAreThoseOfTheHeap(t *testing.T) {
	before := heap()
	g := loaded(t, 60_000)
	near(t, "base", g.Stats().Bytes, heap()-before)
	r := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		g.Apply(links(r, 60_000, 1000))
	}
	near(t, "base and delta", g.Stats().Bytes, heap()-before)
	if err := g.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	near(t, "merged", g.Stats().Bytes, heap()-before)
	runtime.KeepAlive(g)
}

func near(t *testing.T, what string, reported, grown int64) {
	t.Helper()
	if ratio := float64(reported) / float64(grown); ratio < 0.9 || ratio > 1.05 {
		t.Errorf("%s: %d bytes reported, %d grown", what, reported, grown)
	}
}

func links(r *rand.Rand, n, count int) []record.Op {
	ops := make([]record.Op, count)
	for i := range ops {
		from := record.Ord(1 + r.IntN(n))
		ops[i] = link(from, 1+(from+record.Ord(r.IntN(n-1)))%record.Ord(n), 1+record.Weight(r.IntN(int(record.WeightOne))))
	}
	return ops
}

// BenchmarkLoad is what a restart spends on the graph.
func BenchmarkLoad(b *testing.B) {
	n := size(b)
	for b.Loop() {
		before := heap()
		begin := time.Now()
		g := loaded(b, n)
		took := time.Since(begin)
		b.ReportMetric(took.Seconds(), "s/load")
		b.ReportMetric(float64(g.Stats().Bytes)/float64(n*degree), "bytes/edge-all-in")
		b.ReportMetric(float64(heap()-before)/float64(n*degree), "heap/edge-all-in")
		runtime.KeepAlive(g)
	}
}

// BenchmarkApply links memories at random, in batches like those of a bulk import and one by one, and merges what is due as
// Run would.
func BenchmarkApply(b *testing.B) {
	n := size(b)
	for _, batch := range []int{1, 1000} {
		b.Run("batch="+strconv.Itoa(batch), func(b *testing.B) {
			g := loaded(b, n)
			r := rand.New(rand.NewPCG(4, 4))
			for b.Loop() {
				g.Apply(links(r, n, batch))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/op-of-log")
		})
	}
}

// BenchmarkMerge brings 100,000 changed rows into the base, chunk by chunk.
func BenchmarkMerge(b *testing.B) {
	n := size(b)
	g := loaded(b, n)
	r := rand.New(rand.NewPCG(5, 5))
	for b.Loop() {
		b.StopTimer()
		for range 100 {
			g.Apply(links(r, n, 1000))
		}
		chunks := g.Stats().Merges
		b.StartTimer()
		if err := g.Merge(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(g.Stats().Merges-chunks), "chunks")
	}
}
