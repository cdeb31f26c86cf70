package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
)

// BenchmarkTick evaluates and decides for 100 targets of 5 signals each: one tick of the agent without
// its queries.
func BenchmarkTick(b *testing.B) {
	signals := map[string]string{}
	readings := map[string]policy.Reading{}
	for i := range 5 {
		name := fmt.Sprintf("signal%d", i)
		signals[name] = "expr"
		readings[name] = policy.Reading{Value: 60, Known: true, At: noon}
	}
	m := &policy.Matrix{Signals: signals, LongestRange: time.Minute}
	for i := range 5 {
		name := fmt.Sprintf("signal%d", i)
		m.Rows = append(m.Rows, policy.Row{
			When: when(b, name, fmt.Sprintf(">= %d", 70-4*i), "signal0", "< 90"), Do: do(policy.Scale),
			Changes: []policy.Change{change(b, policy.CPU, "x2", "", "8")}, Why: "it is busy",
		})
	}
	m.Otherwise = &policy.Row{Do: do(policy.None)}
	p := policy.Policy{Name: "p", Every: 15 * time.Second, Matrix: m}
	s := situation()
	clocks := make([]policy.Clocks, 100)
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(15 * time.Second)
		for i := range clocks {
			var e policy.Evaluation
			clocks[i], e = p.Evaluate("engram", clocks[i], policy.Inputs{Now: now, Readings: readings, Sizes: s.Sizes})
			s.Now, s.Evaluations = now, []policy.Evaluation{e}
			if ds := policy.Decide(s); len(ds) != 1 {
				b.Fatalf("%d decisions: %s", len(ds), e.Text)
			}
		}
	}
}
