package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/engramd/engramd/agent/telemetry"
)

// The five signals of the benchmark, for all targets at once and for one.
var (
	signalsBy = []string{
		`100 * sum by (target) (rate(engramd_target_cpu_seconds_total[1m])) / max by (target) (engramd_target_cpu_limit_cores)`,
		`max by (target) (engram_p99_latency_ms)`,
		`100 * max by (target) (engramd_target_memory_working_set_bytes / engramd_target_memory_limit_bytes)`,
		`sum by (target) (rate(engramd_target_cpu_throttled_periods_total[1m])) / sum by (target) (rate(engramd_target_cpu_periods_total[1m]))`,
		`max by (target) (max_over_time(engram_spreading_queue_depth[5m]))`,
	}
	signalsOf = []string{
		`100 * sum(rate(engramd_target_cpu_seconds_total{target="%[1]s"}[1m])) / max(engramd_target_cpu_limit_cores{target="%[1]s"})`,
		`max(engram_p99_latency_ms{target="%[1]s"})`,
		`100 * max(engramd_target_memory_working_set_bytes{target="%[1]s"} / engramd_target_memory_limit_bytes{target="%[1]s"})`,
		`sum(rate(engramd_target_cpu_throttled_periods_total{target="%[1]s"}[1m])) / sum(rate(engramd_target_cpu_periods_total{target="%[1]s"}[1m]))`,
		`max(max_over_time(engram_spreading_queue_depth{target="%[1]s"}[5m]))`,
	}
	benchMetrics = []string{"engramd_target_cpu_seconds_total", "engramd_target_cpu_limit_cores", "engram_p99_latency_ms",
		"engramd_target_memory_working_set_bytes", "engramd_target_memory_limit_bytes", "engramd_target_cpu_throttled_periods_total",
		"engramd_target_cpu_periods_total", "engram_spreading_queue_depth"}
)

// load opens a Telemetry with that many targets, and appends series of each up to now.
func load(b *testing.B, targets, perTarget int, span time.Duration) (*telemetry.Telemetry, time.Time) {
	b.Helper()
	o := telemetry.Options{Dir: b.TempDir(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Config: telemetry.Config{Interval: interval}}
	for i := range targets {
		o.Targets = append(o.Targets, telemetry.Target{Name: name(i), Observe: itself})
	}
	tel, err := telemetry.New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := tel.Close(); err != nil {
			b.Error(err)
		}
	})
	now := time.Now()
	var all []labels.Labels
	for i := range targets {
		for j := range perTarget {
			metric := fmt.Sprintf("engram_filler_%d", j)
			if j < len(benchMetrics) {
				metric = benchMetrics[j]
			}
			all = append(all, labels.FromStrings(model.MetricNameLabel, metric, "target", name(i), "job", "bench", "instance", "127.0.0.1:7432"))
		}
	}
	refs := make([]storage.SeriesRef, len(all))
	for at, n := now.Add(-span), 0; !at.After(now); at, n = at.Add(interval), n+1 {
		a := tel.Storage().AppenderV2(b.Context())
		for i, ls := range all {
			refs[i], err = a.Append(refs[i], ls, 0, at.UnixMilli(), float64(n*(i%7+1)), nil, nil, storage.AOptions{})
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := a.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return tel, now
}

func name(i int) string { return fmt.Sprintf("target-%03d", i) }

// BenchmarkTick100Targets is one tick of one policy for 100 targets with 5 signals, by target. The
// goal is 50 ms on one core.
func BenchmarkTick100Targets(b *testing.B) {
	tel, now := load(b, 100, len(benchMetrics), 2*time.Hour)
	for b.Loop() {
		for _, expr := range signalsBy {
			by := tel.ReadBy(b.Context(), expr, "target", now)
			for i := range 100 {
				if r := telemetry.Pick(by, name(i)); !r.Known {
					b.Fatalf("%s: %s: %s", expr, name(i), r.Reason)
				}
			}
		}
	}
}

// BenchmarkTick500Queries is the same tick with a query for each target and signal.
func BenchmarkTick500Queries(b *testing.B) {
	tel, now := load(b, 100, len(benchMetrics), 2*time.Hour)
	var exprs []string
	for i := range 100 {
		for _, s := range signalsOf {
			exprs = append(exprs, fmt.Sprintf(s, name(i)))
		}
	}
	for b.Loop() {
		for _, expr := range exprs {
			if r := tel.Read(b.Context(), expr, now); !r.Known {
				b.Fatalf("%s: %s", expr, r.Reason)
			}
		}
	}
}

// BenchmarkResident2000Series reports the resident memory after two hours of 2,000 series at 15 s,
// with 20 targets remembered for the Meter and a tick an interval. The goal is 80 MB. The time is
// simulated, so that the collector has less time than in life to return memory. Run it alone: what ran
// before it in the same process counts, too.
func BenchmarkResident2000Series(b *testing.B) {
	before := status(b, "VmRSS")
	tel, now := load(b, 20, 100, 2*time.Hour)
	for i := range 20 {
		tel.FillRing(name(i), 480)
	}
	for range 20 {
		for _, expr := range signalsBy {
			tel.ReadBy(b.Context(), expr, "target", now)
		}
	}
	resident, anon, peak := status(b, "VmRSS"), status(b, "RssAnon"), status(b, "VmHWM")
	for b.Loop() {
		_ = resident // the figures are of the process, not of an operation
	}
	b.ReportMetric(resident, "rss_mb")
	b.ReportMetric(anon, "anon_mb")
	b.ReportMetric(peak, "peak_mb")
	b.ReportMetric(before, "before_mb")
}

// status reads a line of /proc/self/status, in MB.
func status(b *testing.B, key string) float64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc: ", err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb * 1024 / 1e6
		}
	}
	b.Fatalf("no %s in /proc/self/status", key)
	return 0
}

// BenchmarkIdle reports the CPU use, in per cent of a core, of reading the host and 20 targets every
// 5 s and evaluating 5 signals of each. The goal is 1%. It runs for 15 s whatever b.N is.
func BenchmarkIdle(b *testing.B) {
	o := telemetry.Options{Dir: b.TempDir(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Config: telemetry.Config{Interval: 5 * time.Second}}
	for i := range 20 {
		o.Targets = append(o.Targets, telemetry.Target{Name: name(i), Observe: itself})
	}
	tel, err := telemetry.New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer tel.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 16*time.Second)
	defer cancel()
	done := make(chan error, 1)
	began := cpuTime()
	go func() { done <- tel.Run(ctx) }()
	ticks := time.NewTicker(5 * time.Second)
	defer ticks.Stop()
	for range 3 {
		<-ticks.C
		for _, expr := range signalsBy {
			tel.ReadBy(ctx, expr, "target", time.Now())
		}
	}
	used := cpuTime() - began
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = used // the figure is the use over time, not that of an operation
	}
	b.ReportMetric(100*used.Seconds()/15, "cpu_%")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
