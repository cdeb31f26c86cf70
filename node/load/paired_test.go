package load

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCompare takes pairs of a known ratio with noise that both of a pair share, and noise of their own.
func TestCompare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var pairs []Pair
	for range 400 {
		machine := 0.3 + random.Float64() // what others leave
		noise := func() float64 { return 1 + 0.1*random.NormFloat64() }
		pairs = append(pairs, Pair{100 * machine * noise(), 110 * machine * noise()})
	}
	c := Compare(pairs, 1)
	if math.Abs(c.Ratio-1.1) > 0.03 || c.Low > 1.1 || c.High < 1.1 || c.High-c.Low > 0.06 {
		t.Errorf("%+v, want 1.1 between", c)
	}
	if got := Compare([]Pair{{0, 5}}, 1); got != (Comparison{}) {
		t.Errorf("without a pair to compare: %+v", got)
	}
	if got := median([]float64{3, 1, 2, 4}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}
