package metrics_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/testing/protocmp"
)

// durations are spread over all magnitudes, with every bound and its neighbours.
func durations(rng *rand.Rand) []time.Duration {
	ds := []time.Duration{0, 1, 59, 60}
	for _, b := range metrics.SlotBounds() {
		if b < math.MaxInt64 {
			ds = append(ds, b-1, b, min(b+1, 4*time.Hour))
		}
	}
	for range 5000 {
		ds = append(ds, time.Duration(math.Exp(rng.Float64()*math.Log(4*3600e9))))
	}
	return ds
}

// TestHistogramIsPrometheus compares with client_golang's own histogram of the same durations, bucket by bucket.
func TestHistogramIsPrometheus(t *testing.T) {
	if got := len(metrics.SlotBounds()); got != metrics.SlotCount {
		t.Fatalf("%d slots, want slotCount = %d", got, metrics.SlotCount)
	}
	w := newWorld(t, nil)
	classic, zero := metrics.ClassicBounds()
	want := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "x", Help: "x", Buckets: classic, NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: zero,
	})
	for _, d := range durations(rand.New(rand.NewPCG(1, 2))) {
		w.Operations().Record(metrics.Get, d, nil)
		want.Observe(d.Seconds())
	}
	var plain dto.Metric
	if err := want.Write(&plain); err != nil {
		t.Fatal(err)
	}
	got := histogram(t, w)
	if math.Abs(got.GetSampleSum()-plain.Histogram.GetSampleSum()) > 1e-6*plain.Histogram.GetSampleSum() {
		t.Errorf("sum %v, want %v", got.GetSampleSum(), plain.Histogram.GetSampleSum())
	}
	ignore := protocmp.IgnoreFields(&dto.Histogram{}, "sample_sum", "created_timestamp", "negative_span")
	if diff := cmp.Diff(plain.Histogram, got, protocmp.Transform(), ignore); diff != "" {
		t.Errorf("(-client_golang +ours):\n%s", diff)
	}
}

func histogram(t *testing.T, w *world) *dto.Histogram {
	t.Helper()
	families, err := w.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "engram_operation_duration_seconds" {
			return f.GetMetric()[0].GetHistogram()
		}
	}
	t.Fatal("no histogram")
	return nil
}

func TestQuantile(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 50 {
		ds := make([]time.Duration, 1+rng.IntN(5000))
		for i := range ds {
			ds[i] = 100 + time.Duration(math.Exp(rng.NormFloat64()*2+float64(round%10)+4))
		}
		slices.Sort(ds)
		for _, q := range []float64{0.5, 0.99} {
			exact := ds[int(math.Ceil(q*float64(len(ds))))-1]
			got, ok := metrics.Quantile(q, ds)
			if off := math.Abs(float64(got-exact)) / float64(exact); !ok || off > 0.0906 {
				t.Errorf("P%v of %d durations is %v, want %v: off by %.1f%%", 100*q, len(ds), got, exact, 100*off)
			}
		}
	}
	if d, ok := metrics.Quantile(0.99, nil); ok {
		t.Errorf("of nothing: %v", d)
	}
	if d, ok := metrics.Quantile(0.99, []time.Duration{math.MaxInt64}); !ok || d < 4*time.Hour {
		t.Errorf("of more than there are buckets for: %v, %v", d, ok)
	}
}

func TestRecordFromManyGoroutines(t *testing.T) {
	w := newWorld(t, nil)
	ops := w.Operations()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				timer := ops.Begin(metrics.Spreading)
				if i%10 == 0 {
					timer.End(errMemory)
				} else {
					timer.End(nil)
				}
				if i%100 == 0 {
					_ = w.series()
				}
			}
		})
	}
	wg.Wait()
	s := w.series()
	for name, want := range map[string]float64{
		"engram_operation_duration_seconds operation=spreading":            8000,
		"engram_operation_errors_total kind=no_memory operation=spreading": 800,
		"engram_allocation_failures_total":                                 800,
		"engram_operation_duration_seconds operation=get":                  0,
		"engram_operation_errors_total kind=internal operation=spreading":  0,
	} {
		if s[name] != want {
			t.Errorf("%s = %v, want %v", name, s[name], want)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	names := metrics.AllNames()
	slices.Sort(names)
	if slices.Contains(names, "") || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%q", names)
	}
}

func BenchmarkRecord(b *testing.B) {
	m := metrics.New(metrics.Options{DataDir: b.TempDir()})
	ops := m.Operations()
	fault := errors.New("x")
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			ops.Begin(metrics.Get).End(nil)
		}
	})
	b.Run("all cores", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ops.Begin(metrics.Get).End(nil)
			}
		})
	})
	b.Run("failed", func(b *testing.B) {
		for b.Loop() {
			ops.Begin(metrics.Get).End(fault)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	m := metrics.New(metrics.Options{DataDir: b.TempDir(), State: full})
	for op := range metrics.Spreading {
		m.Operations().Record(op, time.Millisecond, nil)
	}
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			if err := m.WriteJSON(discard{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("prometheus", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Registry().Gather(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("moment", func(b *testing.B) {
		for b.Loop() {
			m.Keep()
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
