package policy_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
)

func lines(faults []policy.Fault) string {
	var b strings.Builder
	for _, f := range faults {
		b.WriteString(string(f.Severity) + " " + f.Where + ": " + f.Error() + "\n")
	}
	return b.String()
}

func TestLint(t *testing.T) {
	signals := map[string]string{"cpu": "c", "p99": "l"}
	x2 := []policy.Change{change(t, policy.CPU, "x2", "", "8")}
	row := func(v policy.Verdict, pairs ...string) policy.Row {
		r := policy.Row{When: when(t, pairs...), Do: do(v)}
		switch v {
		case policy.Scale, policy.PlanOnly, policy.Emergency:
			r.Changes = x2
		case policy.HoldSize:
			r.Why = "because"
		}
		return r
	}
	edited := func(r policy.Row, edit func(*policy.Row)) policy.Row { edit(&r); return r }
	with := func(i policy.Interval) policy.Row {
		return policy.Row{When: map[string]policy.Interval{"cpu": i, "p99": {Lo: 0, Hi: 5}}, Do: do(policy.None)}
	}
	for _, c := range []struct {
		name      string
		rows      []policy.Row
		otherwise *policy.Row
		want      string // the lines
	}{
		{name: "covered", rows: []policy.Row{row(policy.None, "cpu", "< 70"), row(policy.Scale, "cpu", ">= 70", "p99", "< 5"), row(policy.None, "cpu", ">= 70", "p99", ">= 5")}},
		{name: "a gap", rows: []policy.Row{row(policy.None, "cpu", "< 50"), row(policy.Scale, "cpu", "70..", "p99", "< 10"), row(policy.None, "cpu", "50..", "p99", ">= 10")},
			want: "critical : no row answers cpu = 50, p99 = 0; add a row for it, or otherwise\n"},
		{name: "touching bounds leave a gap", rows: []policy.Row{row(policy.None, "cpu", "< 70", "p99", "< 5"), row(policy.None, "cpu", "< 70", "p99", ">= 5"), row(policy.Scale, "cpu", "70.0001..")},
			want: "critical : no row answers cpu = 70, p99 = 0; add a row for it, or otherwise\n"},
		{name: "below zero", rows: []policy.Row{row(policy.None, "cpu", "0..", "p99", "< 5"), row(policy.None, "cpu", "0..", "p99", ">= 5")},
			want: "critical : no row answers cpu = -1, p99 = 0; write < 50 instead of 0..50, or add otherwise\n"},
		{name: "otherwise fills gaps", rows: []policy.Row{row(policy.None, "cpu", "< 50", "p99", "< 5")}, otherwise: &policy.Row{Do: do(policy.None)}},
		{name: "otherwise is not needed", rows: []policy.Row{row(policy.None, "cpu", "< 50"), row(policy.None, "cpu", ">= 50", "p99", "< 5"), row(policy.None, "cpu", ">= 50", "p99", ">= 5")}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "warning : otherwise: it is never reached: the rows cover everything; leave it out\n"},
		{name: "otherwise with a condition", rows: []policy.Row{row(policy.None, "cpu", "< 50", "p99", "< 5")}, otherwise: &policy.Row{When: when(t, "cpu", "< 50"), Do: do(policy.None)},
			want: "critical when: otherwise: otherwise has a condition; make it a row, or leave the condition out\n"},
		{name: "an overlap", rows: []policy.Row{row(policy.None, "cpu", "< 60"), row(policy.Scale, "cpu", "50..", "p99", "< 5"), row(policy.None, "cpu", ">= 60", "p99", ">= 5")},
			want: "warning when: row 2: row 1 answers cpu = 50, p99 = 0, too, and comes first; row 1 wins; narrow one of them if that is not meant\n"},
		{name: "never reached", rows: []policy.Row{row(policy.None, "cpu", "< 50"), row(policy.None, "cpu", ">= 50"), row(policy.Scale, "cpu", "40..60", "p99", ">= 5")},
			want: "critical when: row 3: it is never reached: rows 1, 2 answer all of it; move it up, or leave it out\n"},
		{name: "behind one that is always true", rows: []policy.Row{{Do: do(policy.None)}, row(policy.Scale, "cpu", "< 5", "p99", "< 5")},
			want: "critical when: row 2: it is never reached: row 1 answers all of it; move it up, or leave it out\n"},
		{name: "a hold without why", rows: []policy.Row{edited(row(policy.HoldSize, "cpu", "< 50", "p99", "< 5"), func(r *policy.Row) { r.Why = " " })}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical why: row 1: a hold does not say why; write why: people will ask\n"},
		{name: "an unknown signal", rows: []policy.Row{row(policy.None, "cpu", "< 50", "p99", "< 5", "mem", "< 5")}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical when.mem: row 1: signal mem is not declared; declared are cpu, p99\n"},
		{name: "an unread signal", rows: []policy.Row{row(policy.None, "cpu", "< 50"), row(policy.None, "cpu", ">= 50")},
			want: "warning signals.p99: no row reads signal p99; leave it out\n"},
		{name: "an empty interval", rows: []policy.Row{with(policy.Interval{Lo: 5, Hi: 5})}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical when.cpu: row 1: cpu is in no interval: 5..5; the lower bound must be below the upper one\n"},
		{name: "no number", rows: []policy.Row{with(policy.Interval{Lo: math.NaN(), Hi: 5})}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical when.cpu: row 1: cpu is in no interval: NaN..5; the lower bound must be below the upper one\n"},
		{name: "nothing to do", rows: []policy.Row{{When: when(t, "cpu", "< 5", "p99", "< 5")}}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical do: row 1: it says nothing to do; write do: none, hold, plan, scale, emergency or diagnose\n"},
		{name: "two verdicts", rows: []policy.Row{edited(row(policy.Scale, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) { r.Do = do(policy.Scale, policy.Diagnose, policy.Emergency) })}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical do: row 1: it says scale and emergency; one verdict, with diagnose beside it if wanted\n"},
		{name: "blind is an outcome", rows: []policy.Row{row(policy.Blind, "cpu", "< 5", "p99", "< 5")}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical do: row 1: \"blind\" is no verdict; there are none, hold, plan, scale, emergency and diagnose\n"},
		{name: "diagnose alone", rows: []policy.Row{row(policy.Diagnose, "cpu", "< 5", "p99", "< 5")}, otherwise: &policy.Row{Do: do(policy.None)}},
		{name: "scale what", rows: []policy.Row{edited(row(policy.Scale, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) { r.Changes = nil })}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical change: row 1: scale does not say what to change; write change: {cpu: {by: x2}}\n"},
		{name: "none changes nothing", rows: []policy.Row{edited(row(policy.None, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) { r.Changes = x2 })}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical change: row 1: none changes nothing; leave change out, or write plan, scale or emergency\n"},
		{name: "a cap that shrinks", rows: []policy.Row{edited(row(policy.Scale, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) {
			r.Changes = []policy.Change{{Resource: policy.CPU, By: &policy.By{Factor: 0.5}, Cap: policy.Amount(8000)}}
		})}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical change.cpu: row 1: cpu: cap: it ends growth, and this change shrinks; bound it with limits.min\n"},
		{name: "twice", rows: []policy.Row{edited(row(policy.Scale, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) { r.Changes = append(x2, x2...) })}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical change.cpu: row 1: cpu is changed twice; one change a resource\n"},
		{name: "times", rows: []policy.Row{edited(row(policy.Scale, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) { r.For, r.Within, r.AtDeadline = -1, -time.Hour, "perhaps" })}, otherwise: &policy.Row{Do: do(policy.None)},
			want: "critical for: row 1: for is negative; leave it out to act at once\n" +
				"critical at_deadline: row 1: \"perhaps\" is not possible at a deadline; there are ask and run\n" +
				"critical within: row 1: within is negative; leave it out for no deadline\n"},
		{name: "a deadline for nothing", rows: []policy.Row{edited(row(policy.None, "cpu", "< 5", "p99", "< 5"), func(r *policy.Row) { r.Within = time.Hour })}, otherwise: &policy.Row{Do: do(policy.None), AtDeadline: policy.Ask},
			want: "warning within: row 1: there is a deadline and nothing to change; leave within out\n" +
				"critical at_deadline: otherwise: there is no deadline; set within\n"},
		{name: "no rows", want: "warning signals.cpu: no row reads signal cpu; leave it out\nwarning signals.p99: no row reads signal p99; leave it out\ncritical : there are no rows; write at least one\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := policy.Matrix{Signals: signals, Rows: c.rows, Otherwise: c.otherwise}
			if got := lines(policy.Lint(m)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// FuzzLintCoverage compares the proof with asking every point of a grid.
func FuzzLintCoverage(f *testing.F) {
	f.Add([]byte{0, 5, 0, 9, 5, 9, 0, 9})
	f.Add([]byte{0, 9, 0, 4, 0, 4, 4, 9, 5, 9, 4, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := policy.Matrix{Signals: map[string]string{"x": "x", "y": "y"}, Otherwise: nil}
		bound := func(v byte, open float64) float64 {
			if v%10 == 0 || v%10 == 9 {
				return open
			}
			return float64(v % 10)
		}
		for ; len(b) >= 4 && len(m.Rows) < 12; b = b[4:] {
			m.Rows = append(m.Rows, policy.Row{Do: do(policy.None), When: map[string]policy.Interval{
				"x": {Lo: bound(b[0], math.Inf(-1)), Hi: bound(b[1], math.Inf(1))},
				"y": {Lo: bound(b[2], math.Inf(-1)), Hi: bound(b[3], math.Inf(1))},
			}})
		}
		if len(m.Rows) == 0 {
			return
		}
		answered := func(x, y float64) bool {
			for _, r := range m.Rows {
				if r.When["x"].Contains(x) && r.When["y"].Contains(y) {
					return true
				}
			}
			return false
		}
		gap := false
		for x := -1.0; x < 10; x++ {
			for y := -1.0; y < 10; y++ {
				gap = gap || !answered(x, y)
			}
		}
		found := false
		for _, fault := range policy.Lint(m) {
			if fault.Row == -1 && fault.Example != nil {
				found = true
				if answered(fault.Example["x"], fault.Example["y"]) {
					t.Errorf("%s, but a row does: %v", fault.Text, m.Rows)
				}
			}
			if fault.Row > 0 && fault.Severity == policy.Warning && fault.Example != nil {
				r := m.Rows[fault.Row-1]
				if !r.When["x"].Contains(fault.Example["x"]) || !r.When["y"].Contains(fault.Example["y"]) {
					t.Errorf("row %d: %s, but that is not in it", fault.Row, fault.Text)
				}
			}
		}
		if gap != found {
			t.Errorf("a gap is there: %v, found: %v; %v", gap, found, m.Rows)
		}
	})
}
