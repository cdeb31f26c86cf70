package compare

import (
	"fmt"
	"math"
	"strings"
)

// The guide's rule: less than both, and the change of size did not help.
const (
	GuideCPUImprovement        = 10.0 // per cent
	GuideThroughputImprovement = 20.0 // per cent
)

// The guide's words for that.
const guideWarning = "scaling did not significantly improve performance; investigate the bottleneck: it may not be CPU or memory"

// Options of a comparison. Zero values are defaults.
type Options struct {
	// Alpha is how often noise alone may be called a difference, of all metrics together; 0.05.
	Alpha float64
	// Regression is what a metric has to get worse by, in per cent, beside being told from noise; 5.
	Regression float64
}

func (o Options) withDefaults() Options {
	if !(o.Alpha > 0 && o.Alpha < 1) {
		o.Alpha = 0.05
	}
	if !(o.Regression > 0) || math.IsInf(o.Regression, 0) {
		o.Regression = 5
	}
	return o
}

// A Verdict is what a comparison comes to.
type Verdict string

// The verdicts.
const (
	Regressed    Verdict = "regressed"    // a metric got worse, and noise does not explain it
	Effective    Verdict = "effective"    // by the guide's rule, and noise does not explain it
	Ineffective  Verdict = "ineffective"  // by the guide's rule, and noise does not explain it
	Inconclusive Verdict = "inconclusive" // one cannot tell
)

// A Comparison is two results side by side.
type Comparison struct {
	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason"`
	Changes []Change `json:"changes"`
	// GuideWarns is the guide's rule on the medians alone, whatever the noise. Nil: a metric that it needs is missing.
	GuideWarns *bool  `json:"guide_warns,omitempty"`
	Warning    string `json:"warning,omitempty"`
}

// Compare compares the results of a benchmark before and after a change.
func Compare(before, after Result, o Options) Comparison {
	o = o.withDefaults()
	var out Comparison
	by := map[string]Change{}
	for _, metric := range Metrics() {
		c := changeOf(metric, before.of(metric), after.of(metric), o.Alpha/float64(len(Metrics())))
		by[metric] = c
		out.Changes = append(out.Changes, c)
	}
	out.guide(by)
	out.judge(before, after, by, o)
	return out
}

// guide applies the guide's rule as it stands.
func (out *Comparison) guide(by map[string]Change) {
	cpu, throughput := by[CPUUsage].Improvement, by[OpsPerSec].Improvement
	if cpu == nil || throughput == nil {
		return
	}
	warns := *cpu < GuideCPUImprovement && *throughput < GuideThroughputImprovement
	out.GuideWarns = &warns
	if warns {
		out.Warning = guideWarning
	}
}

func (out *Comparison) judge(before, after Result, by map[string]Change, o Options) {
	if worse := regressions(by, o.Regression); len(worse) > 0 {
		out.Verdict, out.Reason = Regressed, strings.Join(worse, "; ")
		return
	}
	cpu := reached(by[CPUUsage], before, after, 1-GuideCPUImprovement/100, o.Alpha)
	throughput := reached(by[OpsPerSec], before, after, 1+GuideThroughputImprovement/100, o.Alpha)
	switch {
	case cpu == yes:
		out.Verdict, out.Reason = Effective, fmt.Sprintf("cpu_usage fell by at least %v %%", GuideCPUImprovement)
	case throughput == yes:
		out.Verdict, out.Reason = Effective, fmt.Sprintf("ops_per_sec rose by at least %v %%", GuideThroughputImprovement)
	case cpu == no && throughput == no:
		out.Verdict = Ineffective
		out.Reason = fmt.Sprintf("cpu_usage fell by less than %v %% and ops_per_sec rose by less than %v %%", GuideCPUImprovement, GuideThroughputImprovement)
	default:
		out.Verdict, out.Reason = Inconclusive, unclear(by)
	}
}

// regressions says what got worse by more than least per cent. More CPU for more operations is none.
func regressions(by map[string]Change, least float64) (out []string) {
	for _, metric := range Metrics() {
		c := by[metric]
		if c.Finding != Worse || -*c.Improvement < least || metric == CPUUsage && by[OpsPerSec].Finding == Better {
			continue
		}
		out = append(out, fmt.Sprintf("%s is %.1f %% worse (p=%.3g)", metric, -*c.Improvement, *c.P))
	}
	return out
}

type answer int

const (
	maybe answer = iota
	yes
	no
)

// reached tests whether a metric is now beyond factor times what it was, or short of it, in the direction that is better.
func reached(c Change, before, after Result, factor, alpha float64) answer {
	if c.Improvement == nil {
		return maybe
	}
	aim := make([]float64, 0, c.Before.N)
	for _, v := range before.of(c.Metric) {
		aim = append(aim, v*factor)
	}
	less, greater := tails(after.of(c.Metric), aim)
	if moreIsBetter(c.Metric) {
		less, greater = greater, less
	}
	switch { // less: how likely noise alone puts it on the better side
	case less <= alpha:
		return yes
	case greater <= alpha:
		return no
	}
	return maybe
}

func unclear(by map[string]Change) string {
	for _, metric := range []string{CPUUsage, OpsPerSec} {
		if c := by[metric]; c.Reason != "" {
			return metric + ": " + c.Reason
		}
	}
	return "the samples scatter too much to tell whether the guide's improvement was reached: take more"
}
