package node_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/spread"
)

// BenchmarkRecall tells how long a recall over three hops takes, with and without learning, and beside a spread alone, among 100,000
// memories with ten edges each; then how long a round of consolidation takes, and a get beside it. ENGRAMD_BENCH_MEMORIES
// sets another number.
func BenchmarkRecall(b *testing.B) {
	memories := benchNumber(b, "ENGRAMD_BENCH_MEMORIES", 100_000)
	n, _ := running(b, node.Options{DataDir: b.TempDir(), ConsolidateEvery: -1})
	ids := importMemories(b, n, memories)
	importLinks(b, n, ids, 10)
	o := spread.Options{Hops: 3, FanOut: 10, Threshold: 0.001, Decay: 0.7, Limit: 20}
	seeds := func() []node.Seed { return []node.Seed{{ID: ids[rand.IntN(len(ids))], Activation: 1}} }
	b.Run("spread", func(b *testing.B) {
		for b.Loop() {
			if _, err := n.Spread(b.Context(), "default", seeds(), o); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, learn := range []bool{false, true} {
		b.Run(fmt.Sprintf("recall/learn=%v", learn), func(b *testing.B) {
			for b.Loop() {
				if _, err := n.Recall(b.Context(), "default", node.RecallQuery{Seeds: seeds(), Spread: o, Limit: o.Limit, Learn: learn}); err != nil {
					b.Fatal(err)
				}
			}
			l := n.Learning()
			b.ReportMetric(float64(l.Dropped), "dropped")
		})
	}
	b.Run("consolidate", func(b *testing.B) {
		for b.Loop() {
			r, err := n.Consolidate(b.Context(), "default")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(r.Looked)/r.Took.Seconds(), "memories/s")
		}
	})
	b.Run("get", func(b *testing.B) { benchGets(b, n, ids) })
	b.Run("get/consolidating", func(b *testing.B) {
		done, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-done:
					ended <- nil
					return
				default:
				}
				if _, err := n.Consolidate(b.Context(), "default"); err != nil {
					ended <- err
					return
				}
			}
		}()
		benchGets(b, n, ids)
		close(done)
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
}

// benchGets gets memories at random.
func benchGets(b *testing.B, n *node.Node, ids []string) {
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		if _, err := n.Get(b.Context(), "default", ids[rand.IntN(len(ids))]); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}
