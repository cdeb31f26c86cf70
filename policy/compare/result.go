package compare

import (
	"math"
	"slices"
)

// The metrics, by the guide's keys.
const (
	CPUUsage   = "cpu_usage"   // per cent
	P99Latency = "p99_latency" // milliseconds
	OpsPerSec  = "ops_per_sec"
)

// Metrics lists them.
func Metrics() []string { return []string{CPUUsage, P99Latency, OpsPerSec} }

// moreIsBetter says which way a metric should go.
func moreIsBetter(metric string) bool { return metric == OpsPerSec }

// A Result is what a benchmark saves. The three numbers are what the guide's own script reads: the medians of the samples. A
// result without samples is one sample each. What is nil was not measured.
type Result struct {
	CPUUsage   *float64             `json:"cpu_usage,omitempty"`
	P99Latency *float64             `json:"p99_latency,omitempty"`
	OpsPerSec  *float64             `json:"ops_per_sec,omitempty"`
	Samples    map[string][]float64 `json:"samples,omitempty"` // by metric
}

// NewResult makes a Result of samples by metric.
func NewResult(samples map[string][]float64) Result {
	middle := func(metric string) *float64 {
		if s := samples[metric]; len(s) > 0 {
			return new(Median(s))
		}
		return nil
	}
	return Result{CPUUsage: middle(CPUUsage), P99Latency: middle(P99Latency), OpsPerSec: middle(OpsPerSec), Samples: samples}
}

// of returns the samples of a metric.
func (r Result) of(metric string) []float64 {
	if s := r.Samples[metric]; len(s) > 0 {
		return s
	}
	one := map[string]*float64{CPUUsage: r.CPUUsage, P99Latency: r.P99Latency, OpsPerSec: r.OpsPerSec}[metric]
	if one == nil {
		return nil
	}
	return []float64{*one}
}

// Median is the middle of s; of none it is not a number.
func Median(s []float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	s = slices.Sorted(slices.Values(s))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return s[n/2-1]/2 + s[n/2]/2
}
