package replay_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/engramd/engramd/policy/replay"
	"github.com/engramd/engramd/policy/rightsize"
)

// A script wants what is written, minute by minute, and remembers what it saw.
type script struct {
	want []float64
	seen []view
}

type view struct {
	Used, Limit float64
	Throttled   bool
}

func (s *script) Name() string { return "script" }

func (s *script) Next(_ time.Time, used, limit float64, throttled bool) (float64, string) {
	s.seen = append(s.seen, view{used, limit, throttled})
	return s.want[len(s.seen)-1], "as written"
}

func trace(demand ...float64) replay.Trace {
	return replay.Trace{Name: "x", Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Demand: demand}
}

func TestPolicySeesOnlyWhatTheLimitLetsThrough(t *testing.T) {
	p := &script{want: []float64{4, 8, 100, 0}}
	r, err := replay.Run(trace(2, 6, 6, 20), p, replay.Options{Host: 16, Start: 4, Min: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]view{{2, 4, false}, {4, 4, true}, {6, 8, false}, {16, 16, true}}, p.seen); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{4, 4, 8, 16}, r.Limits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]replay.Action{{1, 4, 8, "as written"}, {2, 8, 16, "as written"}, {3, 16, 1, "as written"}}, r.Actions); diff != "" {
		t.Error(diff)
	}
	// Limits 32, demand 34, idle 2+0+2+0, unmet 0+2+0+4, weighted (2*2/4 + 6*2/8) / 34.
	want := replay.Measures{Slack: 12.5, Unmet: 100 * 6 / 34., Over: 50, ActionsPerDay: 3 * 1440 / 4, WeightedSlack: 100 * 2.5 / 34}
	if diff := cmp.Diff(want, r.Measures, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestRunRefusesTheImpossible(t *testing.T) {
	good := replay.Options{Host: 16, Start: 4, Min: 0.1}
	for name, edit := range map[string]func(*replay.Options){
		"no host":         func(o *replay.Options) { o.Host = 0 },
		"NaN host":        func(o *replay.Options) { o.Host = math.NaN() },
		"no min":          func(o *replay.Options) { o.Min = 0 },
		"min above host":  func(o *replay.Options) { o.Min = 17 },
		"start below min": func(o *replay.Options) { o.Start = 0.05 },
		"start of NaN":    func(o *replay.Options) { o.Start = math.NaN() },
	} {
		o := good
		edit(&o)
		if _, err := replay.Run(trace(1), replay.Static(1), o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := replay.Run(trace(), replay.Static(1), good); err == nil {
		t.Error("an empty trace is accepted")
	}
	if _, err := replay.Run(trace(1), replay.Static(math.NaN()), good); err == nil || !strings.Contains(err.Error(), "minute 0") {
		t.Errorf("NaN cores: %v", err)
	}
}

func TestNoDemandIsNoFault(t *testing.T) {
	r, err := replay.Run(trace(0, 0, 0), replay.Static(1), replay.Options{Host: 16, Start: 1, Min: 0.1})
	if err != nil || r.Unmet != 0 || r.Slack != 100 || r.WeightedSlack != 0 {
		t.Errorf("%+v, %v", r.Measures, err)
	}
}

func TestOptimumIsThatOfEveryWayToCut(t *testing.T) {
	o := replay.Options{Host: 16, Start: 16, Min: 1}
	tr := trace(1, 1, 5, 5, 2, 2, 0, 20)
	for _, tt := range []struct {
		changes int
		held    float64
	}{
		{0, 8 * 16}, {1, 7*5 + 16}, {2, 5*4 + 2*3 + 16}, {3, 2 + 10 + 6 + 16}, {4, 2 + 10 + 4 + 1 + 16}, {7, 2 + 10 + 4 + 1 + 16}, {50, 33},
	} {
		limits := make([]float64, len(tr.Demand))
		for i := range limits {
			limits[i] = 16
		}
		got := replay.Optimum(tr, replay.Result{Limits: limits, Actions: make([]replay.Action, tt.changes)}, o)
		want := replay.Optimal{Slack: 100 * (tt.held - 32) / tt.held, Regret: 100 * (128 - tt.held) / tt.held}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%d changes:\n%s", tt.changes, diff)
		}
	}
}

func TestBaselines(t *testing.T) {
	day := make([]float64, 2*1440)
	for i := range day {
		day[i] = 1 + float64(i%1440)/1440
	}
	o := replay.Options{Host: 16, Start: 4, Min: 0.1}
	for _, tt := range []struct {
		policy replay.Policy
		last   float64
	}{
		{replay.Static(3), 3},
		{replay.MovingMaximum(), 1.15 * 2},
		{replay.Thresholds(), 4},
		{replay.DailyPercentile(), 1.95},
	} {
		r, err := replay.Run(trace(day...), tt.policy, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Limits[len(day)-1]; math.Abs(got-tt.last) > 0.01 {
			t.Errorf("%s ends at %v; want %v", r.Policy, got, tt.last)
		}
	}
}

func TestATraceMayBeOlderThanTheEpoch(t *testing.T) {
	old := trace(make([]float64, 2*1440)...)
	old.Start = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	o := replay.Options{Host: 16, Start: 4, Min: 0.1}
	for _, p := range []replay.Policy{replay.MovingMaximum(), replay.Rightsize(rightsize.CPU(0.1, 16))} {
		r, err := replay.Run(old, p, o)
		if err != nil || r.Limits[len(r.Limits)-1] != 0.1 {
			t.Errorf("%s: %v, %v", r.Policy, err, r.Limits)
		}
	}
}

// TestRightsizeBeatsTheMovingMaximum on jobs of half an hour, a few a day, over a little noise.
func TestRightsizeBeatsTheMovingMaximum(t *testing.T) {
	jobs := make([]float64, 10*1440)
	for i := range jobs {
		jobs[i] = 0.5 + 0.1*math.Abs(math.Sin(float64(i)*1.7))
		if i%(5*60) < 30 {
			jobs[i] = 6 + math.Sin(float64(i))
		}
	}
	o := replay.Options{Host: 16, Start: 4, Min: 0.1}
	ours, err := replay.Run(trace(jobs...), replay.Rightsize(rightsize.CPU(o.Min, o.Host)), o)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := replay.Run(trace(jobs...), replay.MovingMaximum(), o)
	if err != nil {
		t.Fatal(err)
	}
	if ours.Slack > theirs.Slack-10 || ours.Over > 1 || ours.ActionsPerDay > 15 {
		t.Errorf("ours %+v, the moving maximum %+v", ours.Measures, theirs.Measures)
	}
	for _, a := range ours.Actions {
		if a.Why == "" {
			t.Fatalf("%+v says no reason", a)
		}
	}
	again, err := replay.Run(trace(jobs...), replay.Rightsize(rightsize.CPU(o.Min, o.Host)), o)
	if diff := cmp.Diff(ours, again); err != nil || diff != "" {
		t.Errorf("the second run differs: %v\n%s", err, diff)
	}
}
