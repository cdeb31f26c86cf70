package pages

import "math/bits"

// A bitmap remembers which pages were seen.
type bitmap []uint64

func newBitmap(n uint64) bitmap { return make(bitmap, (n+63)/64) }

// set marks i, and tells whether it was unmarked.
func (b bitmap) set(i uint64) bool {
	word, bit := &b[i/64], uint64(1)<<(i%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// firstClear returns the first unmarked number below n.
func (b bitmap) firstClear(n uint64) (uint64, bool) {
	for w, word := range b {
		if i := uint64(w)*64 + uint64(bits.TrailingZeros64(^word)); word != ^uint64(0) && i < n {
			return i, true
		}
	}
	return 0, false
}
