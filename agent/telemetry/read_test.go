package telemetry_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/engramd/engramd/agent/telemetry"
)

const interval = 15 * time.Second

// put appends values to a series, the first at ago before now, then one an interval. A NaN leaves a
// gap.
func put(t *testing.T, tel *telemetry.Telemetry, series map[string]string, ago time.Duration, values ...float64) {
	t.Helper()
	a := tel.Storage().Appender(t.Context())
	at := time.Now().Add(-ago)
	for _, v := range values {
		if !math.IsNaN(v) || value.IsStaleNaN(v) {
			if _, err := a.Append(0, labels.FromMap(series), at.UnixMilli(), v); err != nil {
				t.Fatalf("append %v at %s: %v", series, at, err)
			}
		}
		at = at.Add(interval)
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
}

func metric(pairs ...string) map[string]string {
	m := map[string]string{model.MetricNameLabel: pairs[0]}
	for i := 1; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// in runs f in virtual time, with a store that takes samples of the last hours.
func in(t *testing.T, f func(t *testing.T, tel *telemetry.Telemetry)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3 * time.Hour)
		f(t, open(t, telemetry.Options{Config: telemetry.Config{Interval: interval}}))
	})
}

var ended = math.Float64frombits(value.StaleNaN)

func TestUnknownIsNeverZero(t *testing.T) {
	const min = time.Minute
	gap := math.NaN()
	tests := []struct {
		name   string
		put    func(put func(name string, ago time.Duration, values ...float64))
		expr   string
		want   float64
		reason string // "" for known
	}{
		{"fresh", func(put func(string, time.Duration, ...float64)) { put("x", 0, 5) }, "x", 5, ""},
		{"never was", func(put func(string, time.Duration, ...float64)) {}, "x", 0, "x has no sample"},
		{"exactly three intervals", func(put func(string, time.Duration, ...float64)) { put("x", 45*time.Second, 5) }, "x", 5, ""},
		{"older", func(put func(string, time.Duration, ...float64)) { put("x", 46*time.Second, 5) }, "x", 0, "the newest sample of x is 46s old"},
		{"half an hour old", func(put func(string, time.Duration, ...float64)) { put("x", 30*min, 5) }, "sum(x)", 0, "the newest sample of x is 30m0s old"},
		{"a range hides the gap", func(put func(string, time.Duration, ...float64)) { put("x", 4*min, 1, 2, 3, 4) }, "rate(x[5m])", 0, "the newest sample of x is 3m15s old"},
		{"an offset hides the gap", func(put func(string, time.Duration, ...float64)) { put("x", 12*min, 1, 2, 3, 4) }, "x offset 11m", 0, "the newest sample of x is 11m15s old"},
		{"a subquery hides the gap", func(put func(string, time.Duration, ...float64)) { put("x", 9*min, 1, 2, 3, 4) }, "max_over_time(x[10m:1m])", 0, "the newest sample of x is 8m15s old"},
		{"one of two operands", func(put func(string, time.Duration, ...float64)) { put("x", 0, 4); put("y", 2*min, 2) }, "x / y", 0, "the newest sample of y is 2m0s old"},
		{"an offset over fresh samples", func(put func(string, time.Duration, ...float64)) { put("x", min, 1, 2, 3, 4, 5) }, "x - x offset 1m", 4, ""},
		{"a failed scrape within a range", func(put func(string, time.Duration, ...float64)) { put("x", min, 1, 2, 3, 4, ended) }, "max_over_time(x[1m])", 4, ""},
		{"a series that ended", func(put func(string, time.Duration, ...float64)) { put("x", min, 1, 2, 3, 4, ended) }, "x", 0, "no result"},
		{"not a number", func(put func(string, time.Duration, ...float64)) { put("x", 0, 0); put("y", 0, 0) }, "x / y", 0, "not a number"},
		{"infinite", func(put func(string, time.Duration, ...float64)) { put("x", 0, 1); put("y", 0, 0) }, "x / y", 0, "infinite"},
		{"no result", func(put func(string, time.Duration, ...float64)) { put("x", 0, 1) }, "x > 5", 0, "no result"},
		{"nonsense", func(put func(string, time.Duration, ...float64)) {}, "x +", 0, "parse"},
		{"a range vector", func(put func(string, time.Duration, ...float64)) {}, "x[5m]", 0, "range vector"},
		{"only a constant", func(put func(string, time.Duration, ...float64)) {}, "vector(1)", 1, ""},
		{"a scalar", func(put func(string, time.Duration, ...float64)) { put("x", 0, 2) }, "scalar(x) * 2", 4, ""},
		{"or zero is no evidence", func(put func(string, time.Duration, ...float64)) {}, "x or vector(0)", 0, "x has no sample"},
		{"or zero of something measured", func(put func(string, time.Duration, ...float64)) { put("y", 0, 7) }, "sum(x) or 0 * sum(y)", 0, ""},
		{"or with the first side stale", func(put func(string, time.Duration, ...float64)) { put("x", 2*min, 9); put("y", 0, 7) }, "sum(x) or sum(y)", 0, "the newest sample of x is 2m0s old"},
		{"or with the second side stale", func(put func(string, time.Duration, ...float64)) { put("x", 0, 1); put("y", 2*min, 7) }, "sum(x) > 5 or sum(y)", 0, "the newest sample of y is 2m0s old"},
		{"or with the first side long gone", func(put func(string, time.Duration, ...float64)) { put("x", 20*min, 9); put("y", 0, 7) }, "sum(x) or sum(y)", 7, ""},
		{"neither side of or ever was", func(put func(string, time.Duration, ...float64)) {}, "x or y", 0, "x has no sample"},
		{"parameters count", func(put func(string, time.Duration, ...float64)) { put("x", 0, 3); put("k", 5*min, 1) }, "sum(topk(scalar(k), x))", 0, "the newest sample of k is 5m0s old"},
		{"a gap in the middle", func(put func(string, time.Duration, ...float64)) {
			put("x", 2*min, 1, 2, gap, gap, gap, gap, gap, 3, 3)
		}, "max_over_time(x[2m])", 3, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, tel *telemetry.Telemetry) {
				tt.put(func(name string, ago time.Duration, values ...float64) {
					put(t, tel, metric(name, "target", "a"), ago, values...)
				})
				r := tel.Read(t.Context(), tt.expr, time.Now())
				if r.Known != (tt.reason == "") || !strings.Contains(r.Reason, tt.reason) {
					t.Fatalf("%s: got known=%v, reason %q; want %q", tt.expr, r.Known, r.Reason, tt.reason)
				}
				if r.Value != tt.want || r.Expr != tt.expr {
					t.Errorf("%s: got %v, want %v", r.Expr, r.Value, tt.want)
				}
			})
		})
	}
}

func TestMoreThanOneSeriesIsUnknown(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		put(t, tel, metric("x", "target", "a"), 0, 1)
		put(t, tel, metric("x", "target", "b"), 0, 2)
		r := tel.Read(t.Context(), "x", time.Now())
		if r.Known || !strings.Contains(r.Reason, "2 series") {
			t.Errorf("got %+v", r)
		}
		if r := tel.Read(t.Context(), "sum(x)", time.Now()); r.Value != 3 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestReadingTellsWhenItsOldestEvidenceWasTaken(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		now := time.Now()
		put(t, tel, metric("x"), 30*time.Second, 1)
		put(t, tel, metric("y"), 10*time.Second, 1)
		r := tel.Read(t.Context(), "x + y", now)
		if want := now.Add(-30 * time.Second); !r.At.Equal(want) {
			t.Errorf("at %s, want %s", r.At, want)
		}
	})
}

func TestReadByKeepsTargetsApart(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		put(t, tel, metric("x", "target", "fresh", "pod", "1"), time.Minute, 0, 15, 30, 45, 60)
		put(t, tel, metric("x", "target", "fresh", "pod", "2"), time.Minute, 0, 15, 30, 45, 60)
		put(t, tel, metric("x", "target", "gone"), 4*time.Minute, 0, 15, 30, 45)
		put(t, tel, metric("x", "target", "half"), time.Minute, 0, 15, 30, 45, 60)
		put(t, tel, metric("limit", "target", "fresh"), 0, 2)
		put(t, tel, metric("limit", "target", "gone"), 0, 2)
		put(t, tel, metric("host"), 0, 1)
		by := tel.ReadBy(t.Context(), "sum by (target) (rate(x[5m])) / on (target) max by (target) (limit) * scalar(host)", "target", time.Now())
		got := map[string]string{}
		for _, target := range []string{"fresh", "gone", "half", "never"} {
			r := telemetry.Pick(by, target)
			got[target] = r.Reason
			if r.Known {
				got[target] = "known"
			}
		}
		want := map[string]string{
			"fresh": "known",
			"gone":  "the newest sample of x is 3m15s old",
			"half":  "limit has no sample",
			"never": "the expression has no result for this target",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if r := by["fresh"]; r.Value <= 0 {
			t.Errorf("fresh: %+v", r)
		}
	})
}

func TestReadByFaults(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		put(t, tel, metric("x", "target", "a", "pod", "1"), 0, 1)
		put(t, tel, metric("x", "target", "a", "pod", "2"), 0, 1)
		for expr, want := range map[string]string{
			"x":      `more than one series for target="a": write by (target)`,
			"sum(x)": "the result has a series without the label target: write by (target)",
			"x +":    "parse",
		} {
			r := telemetry.Pick(tel.ReadBy(t.Context(), expr, "target", time.Now()), "a")
			if r.Known || !strings.Contains(r.Reason, want) {
				t.Errorf("%s: got %+v, want %q", expr, r, want)
			}
		}
		if r := telemetry.Pick(nil, "a"); r.Known || r.Reason == "" {
			t.Errorf("nothing was read: %+v", r)
		}
	})
}

func TestMean(t *testing.T) {
	gap := math.NaN()
	tests := []struct {
		name   string
		values []float64 // up to now, one an interval
		expr   string
		want   float64
		reason string
	}{
		{"all steps", []float64{1, 2, 3, 4, 5, 6, 7, 8}, "x", 6.5, ""},
		{"a short gap is bridged by three intervals", []float64{9, 9, 9, 9, 4, gap, 4, 4}, "x", 4, ""},
		{"a long gap", []float64{4, gap, gap, gap, gap, gap, gap, gap}, "x", 0, "known at 0 of 4 steps"},
		{"zero by zero", []float64{1, 1, 1, 1, 1, 1, 1, 1}, "0 * x / 0", 0, "not a finite number"},
		{"nothing", nil, "x", 0, "known at 0 of 4 steps"},
		{"two series", []float64{1, 1, 1, 1, 1, 1, 1, 1}, `{__name__=~"x|x2"}`, 0, "2 series"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, tel *telemetry.Telemetry) {
				ago := time.Duration(len(tt.values)-1) * interval
				put(t, tel, metric("x"), ago, tt.values...)
				put(t, tel, metric("x2"), ago, tt.values...)
				now := time.Now()
				r := tel.Mean(t.Context(), tt.expr, now.Add(-4*interval), now)
				if r.Known != (tt.reason == "") || !strings.Contains(r.Reason, tt.reason) || r.Value != tt.want {
					t.Errorf("got %+v, want %v %q", r, tt.want, tt.reason)
				}
			})
		})
	}
}

func TestMeanIsUnknownWhenMostOfItWas(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		gap := math.NaN()
		// 20 steps: 3 with a sample, 3 more within three intervals of the last, 14 without.
		values := append([]float64{4, 4, 4}, slices.Repeat([]float64{gap}, 17)...)
		put(t, tel, metric("x"), 19*interval, values...)
		now := time.Now()
		r := tel.Mean(t.Context(), "x", now.Add(-20*interval), now)
		if want := "known at 6 of 20 steps"; r.Known || !strings.Contains(r.Reason, want) {
			t.Errorf("got %+v, want %q", r, want)
		}
	})
}

// The engine pools its points: what one query returned must not become another's.
func TestMeansAtOnceDoNotShareMemory(t *testing.T) {
	tel := open(t, telemetry.Options{Config: telemetry.Config{Interval: interval}})
	const readers = 4
	for i := range readers {
		put(t, tel, metric(fmt.Sprint("x", i)), 19*interval, slices.Repeat([]float64{float64(i)}, 20)...)
	}
	at := time.Now()
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			for range 500 {
				if r := tel.Mean(t.Context(), fmt.Sprint("x", i), at.Add(-15*interval), at); !r.Known || r.Value != float64(i) {
					t.Errorf("x%d: %+v", i, r)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSlowScrapesHaveTheirOwnThreeIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := open(t, telemetry.Options{Config: telemetry.Config{
			Interval: interval,
			Scrapes:  []telemetry.Scrape{{Job: "slow", URL: "http://127.0.0.1:1/", Target: "a", Interval: 2 * time.Minute}},
		}})
		put(t, tel, metric("x", "job", "slow", "target", "a"), 4*time.Minute, 1)
		put(t, tel, metric("y", "job", "other", "target", "a"), 4*time.Minute, 1)
		if r := tel.Read(t.Context(), "x", time.Now()); !r.Known {
			t.Errorf("slow: %+v", r)
		}
		if r := tel.Read(t.Context(), "y", time.Now()); r.Known {
			t.Errorf("other: %+v", r)
		}
		time.Sleep(3 * time.Minute)
		if r := tel.Read(t.Context(), "max_over_time(x[10m])", time.Now()); r.Known {
			t.Errorf("slow, seven minutes old: %+v", r)
		}
	})
}

func TestAbsentIsOnlyKnownWhileSomethingIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := open(t, telemetry.Options{Config: telemetry.Config{Interval: interval}})
		if r := tel.Read(t.Context(), "absent(x)", time.Now()); r.Known {
			t.Errorf("before anything was measured: %+v", r)
		}
		run(t, tel)
		synctest.Wait()
		if r := tel.Read(t.Context(), "absent(x)", time.Now()); r.Value != 1 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestSeriesOfNobodyBlindsNobody(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		put(t, tel, metric("x", "target", "a"), 0, 1)
		put(t, tel, metric("x", "job", "elsewhere"), 0, 2)
		by := tel.ReadBy(t.Context(), "sum by (target) (x)", "target", time.Now())
		if r := telemetry.Pick(by, "a"); !r.Known || r.Value != 1 {
			t.Errorf("got %+v", r)
		}
		if r := telemetry.Pick(by, "b"); r.Known {
			t.Errorf("got %+v", r)
		}
	})
}

func TestKeysOfReadBy(t *testing.T) {
	in(t, func(t *testing.T, tel *telemetry.Telemetry) {
		put(t, tel, metric("x", "target", "b"), 0, 1)
		put(t, tel, metric("x", "target", "a"), 0, 1)
		got := slices.Sorted(maps.Keys(tel.ReadBy(t.Context(), "x", "target", time.Now())))
		if d := cmp.Diff([]string{"", "a", "b"}, got); d != "" {
			t.Error(d)
		}
	})
}

// Whatever parses as an expression can be examined, and its selectors are expressions themselves.
func FuzzSelectors(f *testing.F) {
	for _, expr := range append(slices.Clone(signalsBy), `absent(x{a="b"}) unless x offset 5m`, `x[5m:1m] @ 5`, `{__name__=~"a|b"}`,
		`quantile_over_time(scalar(k), x[1d:] offset -1h)`, `label_replace(x, "a", "$1", "b", "(.*)") or vector(0)`, `"s"`, `-1`) {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		selectors, err := telemetry.Selectors(expr)
		if err != nil {
			return
		}
		for _, s := range selectors {
			if _, err := telemetry.Selectors(s); err != nil {
				t.Errorf("%s reads %s: %v", expr, s, err)
			}
		}
	})
}
