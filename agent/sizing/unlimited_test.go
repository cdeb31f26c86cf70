package sizing_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy/capacity"
)

// TestNothingIsSavedOfTheHost analyses, out of a store as the agent keeps it, a target without limits beside one that has
// some. The host's size stands for the first's limits in what is measured.
func TestNothingIsSavedOfTheHost(t *testing.T) {
	store, err := telemetry.New(telemetry.Options{
		Dir: t.TempDir(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Config: telemetry.Config{Interval: 15 * time.Second, Retention: day},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	app := store.Storage().Appender(t.Context())
	for at := now.Add(-time.Hour); !at.After(now); at = at.Add(15 * time.Second) {
		for target, unlimited := range map[string]float64{"free": 1, "bound": 0} {
			for name, v := range map[string]float64{
				"cpu_seconds_total": 2 * at.Sub(now.Add(-time.Hour)).Seconds(), "cpu_limit_cores": 16, "cpu_unlimited": unlimited,
				"memory_working_set_bytes": 1 << 30, "memory_limit_bytes": 64 << 30, "memory_unlimited": unlimited,
			} {
				if _, err := app.Append(0, labels.FromStrings("__name__", "engramd_target_"+name, "target", target, "part", target), at.UnixMilli(), v); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	a, err := sizing.Analyze(t.Context(), store, sizing.AnalyzeOptions{Now: now, Period: time.Hour, Prices: &capacity.Prices{Core: new(10.0), MemoryGiB: new(1.0)}})
	if err != nil || len(a.Targets) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, r := range a.Targets[0].Resources {
		if r.Limit == nil || r.Saved == nil || *r.Saved <= 0 || r.Rightsize < r.Peak {
			t.Errorf("%s of what has limits: %+v", r.Resource, r)
		}
	}
	for i, r := range a.Targets[1].Resources {
		if r.Limit != nil || r.PeakPercent != nil || r.Saved != nil || r.Rightsize < r.Peak || r.Rightsize > 2*r.Peak {
			t.Errorf("%s of what has none: %+v; with limits: %+v", r.Resource, r, a.Targets[0].Resources[i])
		}
	}
	if bound, free := a.Targets[0].Saving, a.Targets[1].Saving; bound == nil || *bound <= 0 || free != nil {
		t.Errorf("saves %v and %v a month; want something, and what nobody knows", bound, free)
	}
}
