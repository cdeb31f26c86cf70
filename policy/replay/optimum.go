package replay

import (
	"math"
	"slices"
)

// optimumBuckets bounds the work of Optimum: its time is quadratic in them.
const optimumBuckets = 14 * 24 * 4

// An Optimal is what knowing the future allows.
type Optimal struct {
	// Slack is its slack, in per cent.
	Slack float64 `json:"slack"`
	// Regret is how much more than it was held, in per cent of what it held.
	Regret float64 `json:"regret"`
}

// Optimum compares r with limits that meet all demand above none, change as many times, and hold as
// little as possible. Changes are possible at up to 1344 moments, evenly spread (a quarter of an hour in
// two weeks); so a result that changes between them, or withholds demand, can have a negative regret.
func Optimum(t Trace, r Result, o Options) Optimal {
	peaks, width := buckets(t, o)
	held := leastHeld(peaks, len(r.Actions))
	var sum, demand float64
	for i, l := range r.Limits {
		sum += l
		demand += math.Min(t.Demand[i], o.Host)
	}
	held *= float64(width)
	held *= float64(len(t.Demand)) / float64(width*len(peaks)) // the last one may be cut short
	return Optimal{Slack: percent(held-demand, held), Regret: percent(sum-held, held)}
}

// buckets are the maxima of equally long parts of t, within the limits.
func buckets(t Trace, o Options) (peaks []float64, width int) {
	width = max(1, (len(t.Demand)+optimumBuckets-1)/optimumBuckets)
	for i, d := range t.Demand {
		if i%width == 0 {
			peaks = append(peaks, o.Min)
		}
		last := len(peaks) - 1
		peaks[last] = math.Max(peaks[last], math.Min(d, o.Host))
	}
	return peaks, width
}

// leastHeld is the least sum of limits that are nowhere below peaks and change at most n times.
func leastHeld(peaks []float64, n int) float64 {
	best := make([]float64, len(peaks)+1) // best[i]: of the first i, with the changes so far
	for i := 1; i < len(best); i++ {
		best[i] = math.Inf(1)
	}
	for range min(n+1, len(peaks)) {
		next := make([]float64, len(best))
		for i := 1; i < len(best); i++ {
			next[i] = best[i]
			top := 0.0
			for j := i - 1; j >= 0; j-- {
				top = math.Max(top, peaks[j])
				if top*float64(i-j) >= next[i] {
					break // longer parts only cost more
				}
				if c := best[j] + top*float64(i-j); c < next[i] {
					next[i] = c
				}
			}
		}
		if slices.Equal(best, next) {
			break // more changes save nothing
		}
		best = next
	}
	return best[len(peaks)]
}
