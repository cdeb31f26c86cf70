package tier_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// memories is how many memories benchmarks work on: ENGRAMD_BENCH_MEMORIES, or few.
func memories(t testing.TB) int {
	s := os.Getenv("ENGRAMD_BENCH_MEMORIES")
	if s == "" {
		return 20_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// placed returns a space of n memories, all of them in one tier.
func placed(t testing.TB, n int, where tier.Tier) *life {
	p := tier.DefaultPolicy()
	p.Hot.Threshold, p.Warm.Threshold = 0, 0
	p.Hot.MaxRatio, p.Warm.MaxRatio = 0, 0
	switch where {
	case tier.Hot:
		p.Hot.MaxRatio, p.Warm.MaxRatio = 1, 1
	case tier.Warm:
		p.Warm.MaxRatio = 1
	}
	l := live(t, t.TempDir(), tier.Options{HotBytes: int64(n) * 2048, Policy: p, MigratePerSecond: 1 << 30})
	s, v := l.space("default")
	fill(t, s, n, time.Now(), func(i int) float32 { return float32(i%97+1) / 97 })
	checkpoint(t, l)
	l.tiers.EvictNow()
	settled(t, l)
	d := v.Stats().Distribution
	if got := map[tier.Tier]int64{tier.Hot: d.Hot, tier.Warm: d.Warm, tier.Cold: d.Cold}[where]; got != int64(n) {
		t.Fatalf("not all are %v: %+v", where, d)
	}
	if where == tier.Hot {
		eventually(t, "copies of all", func() bool {
			for ord := range record.Ord(n) {
				if _, err := v.Get(ord+1, new(record.Memory)); err != nil {
					t.Fatal(err)
				}
			}
			return l.tiers.Stats().HotResident.Records == int64(n)
		})
	}
	return l
}

// times are how long reads took.
type times []time.Duration

func (t times) quantile(q float64) time.Duration {
	slices.Sort(t)
	return t[int(q*float64(len(t)-1))]
}

func BenchmarkGet(b *testing.B) {
	n := memories(b)
	for _, where := range tier.All {
		b.Run(where.String(), func(b *testing.B) {
			l := placed(b, n, where)
			v := l.views["default"]
			r := rand.New(rand.NewPCG(1, 1))
			var took times
			var m record.Memory
			b.ReportAllocs()
			for b.Loop() {
				ord := record.Ord(1 + r.IntN(n))
				start := time.Now()
				from, err := v.Get(ord, &m)
				took = append(took, time.Since(start))
				if err != nil || from != where {
					b.Fatalf("from %v: %v", from, err)
				}
			}
			b.ReportMetric(float64(took.quantile(0.5)), "p50-ns")
			b.ReportMetric(float64(took.quantile(0.99)), "p99-ns")
			l.end()
		})
	}
}

// TestReadsBesideSweep holds the promise that a full eviction sweep does not double the P99 of reads. It needs a quiet machine, and
// ENGRAMD_BENCH_MEMORIES (1000000 for the promise).
func TestReadsBesideSweep(t *testing.T) {
	if os.Getenv("ENGRAMD_BENCH_MEMORIES") == "" {
		t.Skip("set ENGRAMD_BENCH_MEMORIES: a ratio of latencies means something on a quiet machine only")
	}
	n := memories(t)
	p := tier.DefaultPolicy()
	p.Hot.Threshold, p.Warm.Threshold, p.Warm.MaxRatio = 0, 0, 1
	l := live(t, t.TempDir(), tier.Options{HotBytes: 64 << 20, Policy: p})
	s, v := l.space("default")
	start := time.Now()
	fill(t, s, n, time.Now(), func(i int) float32 { return float32(i%97+1) / 97 })
	t.Logf("%d memories in %v", n, time.Since(start))
	checkpoint(t, l)

	// Each phase reads at a steady pace, as clients do.
	measure := func(ctx context.Context, reads int) times {
		r := rand.New(rand.NewPCG(2, 2))
		var took times
		var m record.Memory
		for i := 0; i < reads && ctx.Err() == nil; i++ {
			ord := record.Ord(1 + r.IntN(n))
			start := time.Now()
			if _, err := v.Get(ord, &m); err != nil {
				t.Error(err)
				return took
			}
			took = append(took, time.Since(start))
			if i%64 == 63 {
				time.Sleep(time.Millisecond)
			}
		}
		return took
	}
	measure(t.Context(), n/2)
	quiet := measure(t.Context(), n/2)
	if _, err := l.tiers.Change(tier.Change{HotMaxRatio: new(0.05), WarmMaxRatio: new(0.05)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan times)
	go func() { done <- measure(ctx, 1<<40) }()
	start = time.Now()
	swept := l.tiers.EvictNow()
	decided := time.Since(start)
	within(t, time.Hour, "the migration ends", func() bool { return !l.tiers.Stats().Migrating })
	took := time.Since(start)
	cancel()
	beside := <-done
	t.Logf("evict-now %+v in %v; migrated in %v: %+v", swept, decided, took, v.Stats().Distribution)
	t.Logf("quiet: %d reads, p50 %v p99 %v p99.9 %v; beside the sweep: %d reads, p50 %v p99 %v p99.9 %v",
		len(quiet), quiet.quantile(0.5), quiet.quantile(0.99), quiet.quantile(0.999),
		len(beside), beside.quantile(0.5), beside.quantile(0.99), beside.quantile(0.999))
	if a, b := quiet.quantile(0.99), beside.quantile(0.99); b > 2*a && b > 50*time.Microsecond {
		t.Errorf("p99 %v beside the sweep, %v without", b, a)
	}
}
