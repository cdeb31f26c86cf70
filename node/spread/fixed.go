package spread

import "math"

// Activations are integers: one is activation 1. Each is at most 2^30 and there are less than 2^32 memories, of
// which each gives another one at most once a hop: no sum leaves an int64.
const (
	oneBits = 30
	one     = 1 << oneBits
)

// fixed rounds x of [0, 1], but never down to zero what is more than that.
func fixed(x float64) int64 {
	n := int64(math.Round(x * one))
	if n == 0 && x > 0 {
		return 1
	}
	return n
}

func float(n int32) float64 { return float64(n) / one }
