package load

import (
	"math/rand/v2"
	"slices"
)

// A Pair is what two ways of doing the same did, one right after the other.
type Pair struct{ Was, Is float64 }

// A Comparison is the median of the ratios of pairs, and the interval that holds it with 95%.
type Comparison struct{ Ratio, Low, High float64 }

// resamples is how often a set of pairs is drawn anew to see how much its median depends on which pairs there are.
const resamples = 2000

// Compare reckons is/was over all pairs. The interval is a bootstrap's: it says nothing of what is wrong with all pairs alike.
func Compare(pairs []Pair, seed uint64) Comparison {
	ratios := make([]float64, 0, len(pairs))
	for _, p := range pairs {
		if p.Was > 0 {
			ratios = append(ratios, p.Is/p.Was)
		}
	}
	if len(ratios) == 0 {
		return Comparison{}
	}
	random := rand.New(rand.NewPCG(seed, 7))
	drawn, medians := make([]float64, len(ratios)), make([]float64, resamples)
	for i := range medians {
		for k := range drawn {
			drawn[k] = ratios[random.IntN(len(ratios))]
		}
		medians[i] = median(drawn)
	}
	slices.Sort(medians)
	return Comparison{median(ratios), medians[resamples*25/1000], medians[resamples*975/1000]}
}

// median sorts values and returns the middle one.
func median(values []float64) float64 {
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// compared prints a comparison as three rows.
func (j *job) compared(what, to string, c Comparison, bound Bound) error {
	return j.rows(
		Result{Name: what, Value: c.Ratio, Unit: "ratio", RatioTo: to, Bound: bound},
		Result{Name: what + "/low", Value: c.Low, Unit: "ratio", RatioTo: to},
		Result{Name: what + "/high", Value: c.High, Unit: "ratio", RatioTo: to},
	)
}
