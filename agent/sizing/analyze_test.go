package sizing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
)

// A past answers queries with what a function of the time and the query says; NaN is nothing.
type past func(query string, at time.Time) float64

func (p past) QueryRange(_ context.Context, query string, r promv1.Range, _ ...promv1.Option) (model.Value, promv1.Warnings, error) {
	if int(r.End.Sub(r.Start)/r.Step) > 11000 {
		return nil, nil, fmt.Errorf("more than 11000 points")
	}
	series := &model.SampleStream{Metric: model.Metric{"target": "web"}}
	for at := r.Start; !at.After(r.End); at = at.Add(r.Step) {
		if v := p(query, at); !math.IsNaN(v) {
			series.Values = append(series.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(at.UnixNano()), Value: model.SampleValue(v)})
		}
	}
	if len(series.Values) == 0 {
		return model.Matrix{}, nil, nil
	}
	return model.Matrix{series}, nil, nil
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// steady uses 2 to 3.6 cores of 8, and 6 of 16 GiB, since so long.
func steady(since time.Duration) past {
	return func(query string, at time.Time) float64 {
		if at.Before(now.Add(-since)) {
			return math.NaN()
		}
		switch {
		case strings.Contains(query, "cpu_seconds_total"):
			if at.Hour() == 3 {
				return 3.6
			}
			return 2
		case strings.Contains(query, "cpu_limit_cores"):
			return 8
		case strings.Contains(query, "working_set"):
			return 6 << 30
		case strings.Contains(query, "memory_limit"):
			return 16 << 30
		case strings.Contains(query, "throttled"), strings.Contains(query, "oom_kills"):
			return 0
		}
		return math.NaN()
	}
}

func analyze(t *testing.T, p past, o sizing.AnalyzeOptions) sizing.Analysis {
	t.Helper()
	o.Now = now
	a, err := sizing.Analyze(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const day = 24 * time.Hour

func TestAnalyzeFollowsTheGuidesPhases(t *testing.T) {
	tests := []struct {
		since, period time.Duration
		phase         capacity.Phase
		cores         float64 // by the phase; 0 is none
		confidence    float64
	}{
		{3 * day, 7 * day, capacity.Initial, 0, 3.0 / 7},
		{20 * day, 14 * day, capacity.Optimise, 1.3 * 3.6, 1},
		{60 * day, 40 * day, capacity.Steady, 3.6 / 0.85, 1},
	}
	for _, test := range tests {
		a := analyze(t, steady(test.since), sizing.AnalyzeOptions{Period: test.period})
		if len(a.Targets) != 1 || a.Targets[0].Phase != test.phase || len(a.Targets[0].Resources) != 2 {
			t.Fatalf("%s: %+v", test.since, a)
		}
		cpu := a.Targets[0].Resources[0]
		if cpu.Resource != policy.CPU || cpu.Peak != 3.6 || cpu.P50 != 2 || cpu.P99 != 3.6 || math.Abs(*cpu.PeakPercent-45) > 1e-9 {
			t.Errorf("%s: %+v", test.since, cpu)
		}
		switch {
		case test.cores == 0 && (cpu.Phased != nil || cpu.Recommended != cpu.Rightsize):
			t.Errorf("%s: the first week has no phase size: %+v", test.since, cpu)
		case test.cores > 0 && (cpu.Phased == nil || math.Abs(*cpu.Phased-test.cores) > 0.01 || cpu.Recommended != *cpu.Phased):
			t.Errorf("%s: %+v, want %v cores by the phase", test.since, cpu, test.cores)
		}
		if math.Abs(cpu.Confidence-test.confidence) > 0.02 {
			t.Errorf("%s: confidence %v, want %v", test.since, cpu.Confidence, test.confidence)
		}
		if cpu.Rightsize < 2 || cpu.Rightsize > 4 {
			t.Errorf("%s: rightsize %v cores for a demand of 2 lately", test.since, cpu.Rightsize)
		}
	}
}

// TestAnalyzePassesOverWhatIsNoAmount has what a division by zero gives among its samples.
func TestAnalyzePassesOverWhatIsNoAmount(t *testing.T) {
	inf := func(query string, at time.Time) float64 {
		if at.Minute() == 0 {
			return math.Inf(1)
		}
		return steady(20*day)(query, at)
	}
	a := analyze(t, inf, sizing.AnalyzeOptions{Period: 14 * day})
	if cpu := a.Targets[0].Resources[0]; cpu.Peak != 3.6 || *cpu.Limit != 8 || math.IsInf(cpu.Rightsize, 0) {
		t.Errorf("%+v", cpu)
	}
	if _, err := json.Marshal(a); err != nil {
		t.Error(err)
	}
	trace, err := sizing.Recorded(t.Context(), past(inf), "web", sizing.CPUDemand("web"), now, day)
	if err != nil || slices.Max(trace.Demand) != 3.6 {
		t.Errorf("a demand of %v, %v", slices.Max(trace.Demand), err)
	}
}

func TestAnalyzeTellsWhatItDoesNotKnow(t *testing.T) {
	unlimited := func(query string, at time.Time) float64 {
		if strings.Contains(query, "limit") {
			return math.NaN()
		}
		return steady(20*day)(query, at)
	}
	a := analyze(t, unlimited, sizing.AnalyzeOptions{Period: 14 * day})
	cpu := a.Targets[0].Resources[0]
	if cpu.Limit != nil || cpu.PeakPercent != nil || cpu.Saved != nil || math.IsNaN(cpu.Rightsize) || cpu.Rightsize <= 0 {
		t.Errorf("without a limit: %+v", cpu)
	}
	a = analyze(t, steady(5*time.Minute), sizing.AnalyzeOptions{Period: day})
	if len(a.Targets) != 0 || len(a.Notes) != 2 || !strings.Contains(a.Notes[0], "ten minutes") {
		t.Errorf("five minutes of history: %+v", a)
	}
	if text, err := json.Marshal(a); err != nil || !strings.Contains(string(text), `"targets":[]`) {
		t.Errorf("an analysis of nothing is %s, %v; want a list that is empty", text, err)
	}
	if _, err := sizing.Analyze(t.Context(), steady(day), sizing.AnalyzeOptions{Now: now, Period: day, Target: "other"}); err == nil {
		t.Error("an unknown target was analysed")
	}
	if _, err := sizing.Analyze(t.Context(), steady(day), sizing.AnalyzeOptions{Now: now, Period: time.Minute}); err == nil {
		t.Error("a period of a minute was analysed")
	}
	gaps := func(query string, at time.Time) float64 {
		if at.Minute() >= 30 {
			return math.NaN()
		}
		return steady(10*day)(query, at)
	}
	a = analyze(t, gaps, sizing.AnalyzeOptions{Period: 10 * day})
	if c := a.Targets[0].Resources[0].Confidence; c < 0.3 || c > 0.4 { // 5 days of 7, half of the time
		t.Errorf("half of the history is missing: confidence %v", c)
	}
}

func TestAnalyzeCountsWhatIsSaved(t *testing.T) {
	core, memory := 10.0, 1.0
	a := analyze(t, steady(20*day), sizing.AnalyzeOptions{Period: 14 * day, Prices: &capacity.Prices{Currency: "EUR", Core: &core, MemoryGiB: &memory}})
	one := a.Targets[0]
	size := one.Recommended()
	if size.MilliCPU != 4680 || size.MemoryBytes != 8375186228 {
		t.Errorf("recommended %+v", size)
	}
	want := (8-4.68)*core + (16-7.8)*memory
	if one.Saving == nil || math.Abs(*one.Saving-want) > 0.01 {
		t.Errorf("saves %v, want %v", *one.Saving, want)
	}
	scaled := func(query string, at time.Time) float64 { // from one pod to three
		switch {
		case !strings.Contains(query, "engramd_target_info"):
			return steady(20*day)(query, at)
		case at.Before(now.Add(-day)):
			return 1
		}
		return 3
	}
	a = analyze(t, scaled, sizing.AnalyzeOptions{Period: 14 * day, Prices: &capacity.Prices{Currency: "EUR", Core: &core, MemoryGiB: &memory}})
	if one := a.Targets[0]; one.Parts != 3 || math.Abs(*one.Saving-3*want) > 0.01 || one.Recommended() != size {
		t.Errorf("of %d parts it saves %v, want %v", one.Parts, *one.Saving, 3*want)
	}
}
