package compare

import (
	"fmt"
	"math"
	"slices"
)

// A Finding is what became of a metric.
type Finding string

// The findings.
const (
	Better  Finding = "better"
	Worse   Finding = "worse"
	Same    Finding = "no difference" // that noise does not explain
	Unknown Finding = "inconclusive"
)

// A Summary is samples in short.
type Summary struct {
	Median float64 `json:"median"`
	Least  float64 `json:"min"`
	Most   float64 `json:"max"`
	N      int     `json:"n"`
}

// A Change is one metric before and after.
type Change struct {
	Metric string   `json:"metric"`
	Before *Summary `json:"before,omitempty"`
	After  *Summary `json:"after,omitempty"`
	// Improvement is that of the medians in per cent, as the guide reckons: above zero is better. Nil: there is none without a baseline.
	Improvement *float64 `json:"improvement_percent,omitempty"`
	// P is how likely noise alone makes such a difference. Nil: the samples are too few to tell.
	P       *float64 `json:"p,omitempty"`
	Finding Finding  `json:"finding"`
	Reason  string   `json:"reason,omitempty"`
}

// changeOf compares one metric. alpha is how unlikely noise must be.
func changeOf(metric string, before, after []float64, alpha float64) Change {
	c := Change{Metric: metric, Finding: Unknown}
	if c.Reason = unusable(before, after); c.Reason != "" {
		return c
	}
	c.Before, c.After = summary(before), summary(after)
	if c.Before.Median == 0 {
		c.Reason = "the baseline is zero: nothing is a percentage of it"
		return c
	}
	improvement := (c.Before.Median - c.After.Median) / c.Before.Median * 100
	if moreIsBetter(metric) {
		improvement = (c.After.Median - c.Before.Median) / c.Before.Median * 100
	}
	if math.IsInf(improvement, 0) {
		c.Reason = "the baseline is so small that the change is beyond what a number can be"
		return c
	}
	c.Improvement = &improvement
	if l := least(len(before), len(after)); l > alpha {
		c.Reason = fmt.Sprintf("%d and %d samples cannot tell a difference from noise: take at least %d each", len(before), len(after), enough(alpha))
		return c
	}
	p := bothWays(before, after)
	c.P, c.Finding = &p, Same
	less, greater := tails(after, before)
	if moreIsBetter(metric) {
		less, greater = greater, less
	}
	switch { // ranks and medians have to agree on the direction
	case p <= alpha && less < greater && improvement > 0:
		c.Finding = Better
	case p <= alpha && less > greater && improvement < 0:
		c.Finding = Worse
	}
	return c
}

// enough is how many samples each side needs.
func enough(alpha float64) int {
	n := 2
	for n < 1000 && least(n, n) > alpha {
		n++
	}
	return n
}

func unusable(before, after []float64) string {
	for _, side := range []struct {
		name    string
		samples []float64
	}{{"before", before}, {"after", after}} {
		if len(side.samples) == 0 {
			return "it was not measured " + side.name
		}
		for _, v := range side.samples {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				return fmt.Sprintf("a sample %s is %v, which is no amount", side.name, v)
			}
		}
	}
	return ""
}

func summary(s []float64) *Summary {
	return &Summary{Median: Median(s), Least: slices.Min(s), Most: slices.Max(s), N: len(s)}
}
