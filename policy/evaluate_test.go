package policy_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)

// when builds a condition from names and intervals in turn.
func when(t testing.TB, pairs ...string) map[string]policy.Interval {
	t.Helper()
	m := map[string]policy.Interval{}
	for pair := range slices.Chunk(pairs, 2) {
		i, err := policy.ParseInterval(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		m[pair[0]] = i
	}
	return m
}

func change(t testing.TB, r policy.Resource, by, to, limit string) policy.Change {
	t.Helper()
	c, err := policy.ParseChange(r, by, to, limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func do(v ...policy.Verdict) []policy.Verdict { return v }

// cpuPolicy is the guide's CPU matrix in short.
func cpuPolicy(t testing.TB) policy.Policy {
	x2 := change(t, policy.CPU, "x2", "", "8")
	x4 := change(t, policy.CPU, "x4", "", "16")
	toMax := change(t, policy.CPU, "", "max", "")
	return policy.Policy{Name: "cpu", Every: 15 * time.Second, Matrix: &policy.Matrix{
		Signals:      map[string]string{"cpu": "cpu_expr", "p99": "p99_expr"},
		LongestRange: time.Minute,
		Rows: []policy.Row{
			{When: when(t, "cpu", "< 50", "p99", "< 10"), Do: do(policy.None)},
			{When: when(t, "cpu", "50..70", "p99", "< 10"), Do: do(policy.PlanOnly), Changes: []policy.Change{x2}, Within: 14 * 24 * time.Hour},
			{When: when(t, "cpu", "70..85", "p99", "10..50"), For: 2 * time.Minute, Do: do(policy.Scale), Changes: []policy.Change{x2}, Within: 48 * time.Hour},
			{When: when(t, "cpu", "70..85", "p99", ">= 50"), For: 2 * time.Minute, Do: do(policy.Scale), Changes: []policy.Change{x4}},
			{When: when(t, "cpu", ">= 85"), For: 30 * time.Second, Do: do(policy.Emergency, policy.Diagnose), Changes: []policy.Change{toMax}},
			{When: when(t, "cpu", "< 10", "p99", "10..20"), Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.CPU, "-50%", "", "")}},
			{When: when(t, "cpu", "< 70", "p99", ">= 20"), Do: do(policy.HoldSize), Why: "latency is not CPU"},
		},
	}}
}

// reads are readings of cpu and p99; NaN is unknown.
func reads(at time.Time, cpu, p99 float64) map[string]policy.Reading {
	m := map[string]policy.Reading{}
	for name, v := range map[string]float64{"cpu": cpu, "p99": p99} {
		if math.IsNaN(v) {
			m[name] = policy.Reading{Reason: "no sample for 50s"}
		} else {
			m[name] = policy.Reading{Value: v, Known: true, At: at}
		}
	}
	return m
}

var unknown = math.NaN()

// look is one evaluation of a story: after so much time, with these readings.
type look struct {
	after    time.Duration
	cpu, p99 float64
	want     policy.Verdict
	row      int
	flags    string // of blind, veto, gap, pending, diagnose
}

func flags(e policy.Evaluation) string {
	var f []string
	for _, x := range []struct {
		on   bool
		name string
	}{{e.Blind, "blind"}, {e.Veto, "veto"}, {e.Gap, "gap"}, {e.Pending != nil, "pending"}, {e.Diagnose, "diagnose"}} {
		if x.on {
			f = append(f, x.name)
		}
	}
	return strings.Join(f, " ")
}

func TestEvaluate(t *testing.T) {
	const tick = 15 * time.Second
	for name, story := range map[string][]look{
		"no action": {{0, 20, 5, policy.None, 1, ""}},
		"bounds are half-open": {
			{0, 50, 5, policy.PlanOnly, 2, ""}, {tick, 69.99, 9.99, policy.PlanOnly, 2, ""},
			{tick, 70, 10, policy.HoldSize, 3, "veto pending"}, {tick, 70, 50, policy.HoldSize, 4, "veto pending"},
			{tick, 85, 10, policy.HoldSize, 5, "veto pending"},
		},
		"a row without for acts at once": {{0, 60, 5, policy.PlanOnly, 2, ""}},
		"for has to pass without a break": {
			{0, 80, 20, policy.HoldSize, 3, "veto pending"}, {45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"}, {30 * time.Second, 80, 20, policy.Scale, 3, ""},
			{tick, 20, 5, policy.None, 1, ""}, {tick, 80, 20, policy.HoldSize, 3, "veto pending"},
		},
		"a growth's clock runs while a stronger growth is true": {
			{0, 80, 20, policy.HoldSize, 3, "veto pending"}, {45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{45 * time.Second, 90, 20, policy.HoldSize, 5, "veto pending"}, {tick, 80, 60, policy.HoldSize, 4, "veto pending"},
			{tick, 80, 20, policy.Scale, 3, ""},
		},
		"the stronger one's clock does not run while the weaker is true": {
			{0, 80, 20, policy.HoldSize, 3, "veto pending"}, {45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"}, {30 * time.Second, 90, 20, policy.HoldSize, 5, "veto pending"},
			{30 * time.Second, 90, 20, policy.Emergency, 5, "diagnose"},
		},
		"a gap holds":            {{0, 75, 5, policy.HoldSize, -1, "veto gap"}},
		"a hold vetoes":          {{0, 40, 30, policy.HoldSize, 7, "veto"}},
		"a decrease does not":    {{0, 5, 15, policy.Scale, 6, ""}},
		"both unknown":           {{0, unknown, unknown, policy.Blind, -1, "blind veto"}},
		"known false is decided": {{0, 90, unknown, policy.HoldSize, 5, "veto pending"}, {30 * time.Second, 90, unknown, policy.Emergency, 5, "diagnose"}},
		"unknown latency, low":   {{0, 20, unknown, policy.Blind, -1, "blind veto"}},
		"unknown cpu, no growth": {{0, unknown, 15, policy.Blind, -1, "blind veto"}},
		"unknown never shrinks":  {{0, unknown, 15, policy.Blind, -1, "blind veto"}},
		"infinite is unknown":    {{0, math.Inf(1), 5, policy.Blind, -1, "blind veto"}},
		"blind restarts every for": {
			{0, 80, 20, policy.HoldSize, 3, "veto pending"}, {45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{45 * time.Second, 80, unknown, policy.Blind, -1, "blind veto"}, {30 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
		},
		"nobody looked for too long": {
			{0, 80, 20, policy.HoldSize, 3, "veto pending"}, {3 * time.Minute, 80, 20, policy.HoldSize, 3, "veto pending"},
		},
		"the clock goes back": {
			{0, 80, 20, policy.HoldSize, 3, "veto pending"}, {45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{-30 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"}, {45 * time.Second, 80, 20, policy.HoldSize, 3, "veto pending"},
			{tick, 80, 20, policy.HoldSize, 3, "veto pending"}, {tick, 80, 20, policy.Scale, 3, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := cpuPolicy(t)
			var clocks policy.Clocks
			now := noon
			for i, look := range story {
				now = now.Add(look.after)
				var e policy.Evaluation
				clocks, e = p.Evaluate("engram", clocks, policy.Inputs{Now: now, Readings: reads(now, look.cpu, look.p99)})
				if e.Verdict != look.want || e.Row != look.row || flags(e) != look.flags {
					t.Errorf("look %d (cpu %v, p99 %v): %s row %d [%s], want %s row %d [%s]\n%s",
						i, look.cpu, look.p99, e.Verdict, e.Row, flags(e), look.want, look.row, look.flags, e.Text)
				}
				acts := e.Verdict == policy.PlanOnly || e.Verdict == policy.Scale || e.Verdict == policy.Emergency
				if acts != (len(e.Proposals) > 0) {
					t.Errorf("look %d: %s with %d proposals", i, e.Verdict, len(e.Proposals))
				}
			}
		})
	}
}

// blindPolicy has its growths behind a row that reads more than they do.
func blindPolicy(t testing.TB) policy.Policy {
	return policy.Policy{Name: "p", Every: 15 * time.Second, Matrix: &policy.Matrix{
		Signals: map[string]string{"cpu": "c", "p99": "l"},
		Rows: []policy.Row{
			{When: when(t, "p99", ">= 100"), Do: do(policy.HoldSize), Why: "latency first"},
			{When: when(t, "cpu", ">= 85"), For: 30 * time.Second, Do: do(policy.Emergency), Changes: []policy.Change{change(t, policy.CPU, "", "max", "")}},
			{When: when(t, "cpu", "70..85"), Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.CPU, "", "4", "")}},
			{When: when(t, "cpu", "< 20"), Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.CPU, "-50%", "", "")}},
			{When: when(t, "cpu", "20..30"), Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.EvictNow, "", "", "")}},
		},
		Otherwise: &policy.Row{Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.CPU, "x2", "", "")}},
	}}
}

func TestOnlyAKnownGrowthFiresBehindAnUndecidedRow(t *testing.T) {
	for _, c := range []struct {
		name  string
		cpu   float64
		sizes policy.Size
		want  policy.Verdict
		row   int
	}{
		{"a growth, once its for is over", 90, nil, policy.Emergency, 2},
		{"a decrease", 10, nil, policy.Blind, -1},
		{"an operation", 25, nil, policy.Blind, -1},
		{"otherwise, which may not hold", 50, nil, policy.Blind, -1},
		{"to N from below", 75, policy.Size{policy.CPU: policy.Amount(2000)}, policy.Scale, 3},
		{"to N from above", 75, policy.Size{policy.CPU: policy.Amount(8000)}, policy.Blind, -1},
		{"to N from unlimited", 75, policy.Size{policy.CPU: policy.Unlimited()}, policy.Blind, -1},
		{"to N from nobody knows where", 75, nil, policy.Blind, -1},
	} {
		var clocks policy.Clocks
		var e policy.Evaluation
		for i := range 3 {
			now := noon.Add(time.Duration(i) * 15 * time.Second)
			clocks, e = blindPolicy(t).Evaluate("engram", clocks, policy.Inputs{Now: now, Readings: reads(now, c.cpu, unknown), Sizes: c.sizes})
		}
		if e.Verdict != c.want || e.Row != c.row || !e.Blind || !e.Veto {
			t.Errorf("%s: %s row %d blind %v veto %v; want %s row %d, blind, veto", c.name, e.Verdict, e.Row, e.Blind, e.Veto, c.want, c.row)
		}
		if !strings.Contains(e.Text, "p99 is unknown: no sample for 50s; nothing shrinks") {
			t.Errorf("%s: %q does not say what is missing", c.name, e.Text)
		}
	}
}

func TestBlindnessRestartsTheClockOfADecrease(t *testing.T) {
	p := blindPolicy(t)
	p.Matrix.Rows[3].For = time.Minute
	var clocks policy.Clocks
	for i, c := range []struct {
		p99  float64
		acts bool
	}{{5, false}, {5, false}, {unknown, false}, {5, false}, {5, false}, {5, false}, {5, false}, {5, true}} {
		now := noon.Add(time.Duration(i) * 15 * time.Second)
		var e policy.Evaluation
		clocks, e = p.Evaluate("engram", clocks, policy.Inputs{Now: now, Readings: reads(now, 10, c.p99)})
		if acts := len(e.Proposals) > 0; acts != c.acts {
			t.Errorf("look %d: acts = %v: %s", i, acts, e.Text)
		}
	}
}

func TestOtherwiseAnswersWhatNoRowDoes(t *testing.T) {
	p := blindPolicy(t)
	_, e := p.Evaluate("engram", policy.Clocks{}, policy.Inputs{Now: noon, Readings: reads(noon, 50, 5)})
	if e.Verdict != policy.Scale || e.Row != 0 || e.Condition != "otherwise" || e.Blind {
		t.Errorf("%+v", e)
	}
}

func TestEvidenceIsFresh(t *testing.T) {
	p := cpuPolicy(t) // longest range 1m, row 5 for 30s
	changed := noon   // end of the last change + settle
	fresh := map[policy.Resource]time.Time{policy.CPU: changed}
	var clocks policy.Clocks
	var fired time.Duration
	for after := time.Duration(0); after <= 3*time.Minute && fired == 0; after += 5 * time.Second {
		now := noon.Add(after)
		var e policy.Evaluation
		clocks, e = p.Evaluate("engram", clocks, policy.Inputs{Now: now, Readings: reads(now, 90, 5), FreshAt: fresh})
		switch {
		case len(e.Proposals) > 0:
			fired = after
		case after < time.Minute && (e.Pending == nil || !e.Pending.FreshAt.Equal(changed.Add(time.Minute)) || !e.Veto):
			t.Fatalf("after %s: %+v; want a wait for fresh evidence", after, e)
		}
	}
	if fired != 90*time.Second {
		t.Errorf("acted %s after the change had settled, want range 1m + for 30s", fired)
	}
	settle := 30 * time.Second
	if got := p.Matrix.EffectiveCooldown(5, time.Minute, settle); got != 2*time.Minute {
		t.Errorf("EffectiveCooldown = %s, want range + for + settle = 2m", got)
	}
	if got := p.Matrix.EffectiveCooldown(5, 5*time.Minute, settle); got != 5*time.Minute {
		t.Errorf("EffectiveCooldown = %s, want the configured 5m", got)
	}
}

func TestEvidenceOfAnInstantSignalIsItsSample(t *testing.T) {
	p := cpuPolicy(t)
	p.Matrix.LongestRange = 0
	old, young := noon.Add(-10*time.Second), noon.Add(10*time.Second)
	for _, c := range []struct {
		sample time.Time
		want   policy.Verdict
	}{{old, policy.HoldSize}, {young, policy.PlanOnly}} {
		now := noon.Add(15 * time.Second)
		_, e := p.Evaluate("engram", policy.Clocks{}, policy.Inputs{
			Now: now, Readings: reads(c.sample, 60, 5), FreshAt: map[policy.Resource]time.Time{policy.CPU: noon},
		})
		if e.Verdict != c.want {
			t.Errorf("sample of %s: %s, want %s", c.sample, e.Verdict, c.want)
		}
	}
	// A change of another resource makes nothing of this one stale.
	_, e := p.Evaluate("engram", policy.Clocks{}, policy.Inputs{
		Now: noon, Readings: reads(noon, 60, 5), FreshAt: map[policy.Resource]time.Time{policy.Memory: noon.Add(time.Hour)},
	})
	if e.Verdict != policy.PlanOnly {
		t.Errorf("a change of memory: %s, want plan", e.Verdict)
	}
}

func TestVetoCoversWhatTheMatrixSpeaksOf(t *testing.T) {
	p := cpuPolicy(t)
	_, e := p.Evaluate("engram", policy.Clocks{}, policy.Inputs{Now: noon, Readings: reads(noon, unknown, unknown)})
	if diff := cmp.Diff([]policy.Resource{policy.CPU}, e.VetoOn); diff != "" {
		t.Error(diff)
	}
	p.Matrix.Rows = []policy.Row{{When: when(t, "cpu", "< 10"), Do: do(policy.HoldSize), Why: "a batch is running"}}
	_, e = p.Evaluate("engram", policy.Clocks{}, policy.Inputs{Now: noon, Readings: reads(noon, 5, 5)})
	if !e.Veto || len(e.VetoOn) != 0 {
		t.Errorf("a matrix that changes nothing vetoes %v, want everything", e.VetoOn)
	}
}

func TestProposalSaysEverything(t *testing.T) {
	p := cpuPolicy(t)
	p.Mode = policy.Auto
	in := policy.Inputs{Now: noon, Readings: reads(noon, 60, 5), Sizes: policy.Size{policy.CPU: policy.Amount(2000)}}
	_, e := p.Evaluate("engram", policy.Clocks{}, in)
	want := []policy.Proposal{{
		Target: "engram", Policy: "cpu", Source: policy.FromMatrix, Row: 2, Condition: "cpu 50..70 and p99 < 10",
		Verdict: policy.PlanOnly, Change: change(t, policy.CPU, "x2", "", "8"), Mode: policy.Auto,
		Deadline: noon.Add(14 * 24 * time.Hour), From: policy.Amount(2000), Direction: policy.Growth,
		Readings: []policy.Reading{
			{Signal: "cpu", Expr: "cpu_expr", Value: 60, Known: true, At: noon},
			{Signal: "p99", Expr: "p99_expr", Value: 5, Known: true, At: noon},
		},
	}}
	if diff := cmp.Diff(want, e.Proposals, compareQuantities); diff != "" {
		t.Error(diff)
	}
	if want := "row 2 (cpu 50..70 and p99 < 10): plan (cpu = 60, p99 = 5)"; e.Text != want {
		t.Errorf("Text = %q, want %q", e.Text, want)
	}
}

func TestHoldingListsRowsBehindTheWinner(t *testing.T) {
	p := cpuPolicy(t)
	var clocks policy.Clocks
	var e policy.Evaluation
	for i := range 9 {
		now := noon.Add(time.Duration(i) * 15 * time.Second)
		clocks, e = p.Evaluate("engram", clocks, policy.Inputs{Now: now, Readings: reads(now, 90, 60)})
	}
	if diff := cmp.Diff([]int{2, 3, 4, 5}, e.Holding); diff != "" || e.Row != 5 {
		t.Errorf("row %d, holding %v: the weaker growths hold, too\n%s", e.Row, e.Holding, diff)
	}
}

func TestAReloadedRowBeginsAnew(t *testing.T) {
	p := cpuPolicy(t)
	clocks, _ := p.Evaluate("engram", policy.Clocks{}, policy.Inputs{Now: noon, Readings: reads(noon, 90, 5)})
	p.Matrix.Rows[4].When = when(t, "cpu", ">= 88")
	_, e := p.Evaluate("engram", clocks, policy.Inputs{Now: noon.Add(40 * time.Second), Readings: reads(noon, 90, 5)})
	if e.Pending == nil || len(e.Proposals) > 0 {
		t.Errorf("the clock of cpu >= 85 served cpu >= 88: %+v", e)
	}
}

func TestPolicyWithoutMatrixAbstains(t *testing.T) {
	_, e := policy.Policy{Name: "p"}.Evaluate("engram", policy.Clocks{}, policy.Inputs{Now: noon})
	if e.Verdict != policy.None || e.Veto || len(e.Proposals) > 0 {
		t.Errorf("%+v", e)
	}
}
