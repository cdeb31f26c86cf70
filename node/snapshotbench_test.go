package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
)

// BenchmarkGetDuringSnapshot tells the P99 of reads of the warm tier, and of durable writes, with and without a snapshot beside them. The two take turns
// in one run; quiet is with nothing beside, ratio is during/quiet.
func BenchmarkGetDuringSnapshot(b *testing.B) {
	const count, width = 100_000, 128
	n, _ := running(b, node.Options{DataDir: b.TempDir(), HotBytes: -1})
	content := strings.Repeat("some words of a memory ", 45)
	for at := 0; at < count; {
		ms := make([]node.Memory, 2000)
		for i := range ms {
			ms[i] = node.Memory{ID: fmt.Sprintf("m%d", at), Content: content, Vector: slices.Repeat([]float32{float32(at)}, width)}
			at++
		}
		if _, err := n.RememberAll(b.Context(), "default", ms); err != nil {
			b.Fatal(err)
		}
	}
	if err := n.Store().Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	}
	var quiet, during latencies
	var seconds float64
	var taken int
	b.ResetTimer()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		quiet.measure(b, ctx, n, count)
		cancel()
		ctx, cancel = context.WithCancel(b.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			defer cancel()
			for range 2 {
				begin := time.Now()
				i, err := n.Snapshot(b.Context(), "default")
				seconds += time.Since(begin).Seconds()
				taken++
				if err != nil {
					b.Error(err)
				}
				if err := n.DeleteSnapshot(i.Name); err != nil {
					b.Error(err)
				}
			}
		})
		during.measure(b, ctx, n, count)
		wg.Wait()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(seconds/float64(taken), "s/snapshot")
	for name, pair := range map[string][2][]time.Duration{"get": {quiet.gets, during.gets}, "remember": {quiet.writes, during.writes}} {
		q, d := p99(pair[0]), p99(pair[1])
		b.ReportMetric(float64(q.Nanoseconds())/1e3, name+"_quiet_p99_us")
		b.ReportMetric(float64(d.Nanoseconds())/1e3, name+"_during_p99_us")
		b.ReportMetric(float64(d)/float64(q), name+"_ratio")
	}
}

// latencies are what reads and writes took.
type latencies struct{ gets, writes []time.Duration }

// measure reads, and writes beside it, until ctx ends.
func (l *latencies) measure(b *testing.B, ctx context.Context, n *node.Node, count int) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			begin := time.Now()
			if _, err := n.Remember(b.Context(), "default", node.Memory{Content: "a durable memory"}); err != nil {
				b.Error(err)
				return
			}
			l.writes = append(l.writes, time.Since(begin))
		}
	})
	for ctx.Err() == nil {
		id := fmt.Sprintf("m%d", rand.IntN(count))
		begin := time.Now()
		if _, err := n.Get(b.Context(), "default", id); err != nil {
			b.Error(err)
			break
		}
		l.gets = append(l.gets, time.Since(begin))
	}
	wg.Wait()
}

func p99(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)*99/100]
}
