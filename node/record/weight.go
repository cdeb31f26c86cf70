package record

import "math"

// A Weight is the weight and the kind of an edge in two bytes: its size in steps of 1/20,000, so that
// every weight of four decimals is exact, and its sign the kind: negative is inhibitory. Zero is no
// edge.
type Weight int16

// WeightOne is the weight 1.
const WeightOne Weight = 20000

// NewWeight rounds w, which must be in (0, 1], to a Weight. A w below half a step becomes one step.
func NewWeight(w float64, inhibitory bool) (Weight, error) {
	if math.IsNaN(w) || w <= 0 || w > 1 {
		return 0, invalid("weight", "%v is outside (0, 1]", w)
	}
	steps := max(1, Weight(math.Round(w*float64(WeightOne))))
	if inhibitory {
		return -steps, nil
	}
	return steps, nil
}

// Float64 returns the size of w in (0, 1].
func (w Weight) Float64() float64 {
	return math.Abs(float64(w)) / float64(WeightOne)
}

// Inhibitory tells whether the edge takes activation away.
func (w Weight) Inhibitory() bool { return w < 0 }

// Valid tells whether w is a weight that an edge may have.
func (w Weight) Valid() bool { return w != 0 && w <= WeightOne && w >= -WeightOne }
