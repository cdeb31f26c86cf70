package metrics

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// The native histogram: schema 3 has 8 buckets to a doubling. What took 2^-24 s (60 ns) or less is in its zero bucket; what
// took more than 2^14 s (4.5 h) is in the bucket above that.
const (
	schema    = 3
	perDouble = 1 << schema
	lowest    = -24 * perDouble
	highest   = 14 * perDouble
)

// zeroThreshold is the upper bound of the zero bucket, in seconds.
var zeroThreshold = math.Exp2(float64(lowest) / perDouble)

// classicBounds are the upper bounds of the classic histogram: 1, 2, 5 and so on from 1 us to 10 s.
var classicBounds = []time.Duration{
	1 * time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, 1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute,
}

// A slot counts durations above the bound of the one before, up to its own. No bound of either histogram is inside one.
type slot struct {
	bound   time.Duration // included; the last slot has none
	native  int           // the index of the native bucket; lowest is the zero bucket
	classic int           // the index in classicBounds; len(classicBounds) is above all
}

// slotCount is how many slots there are: the bounds of both, of which 0.5, 1 and 2 s are the same, and what is above all. A test holds it
// to what makeSlots makes.
const slotCount = (highest - lowest + 1) + 24 - 3 + 1

// makeSlots makes the slots of both histograms together.
func makeSlots() []slot {
	var bounds []time.Duration
	for i := lowest; i <= highest; i++ {
		bounds = append(bounds, nativeBound(i))
	}
	bounds = append(bounds, classicBounds...)
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	slots := make([]slot, 0, len(bounds)+1)
	native, classic := lowest, 0
	for _, b := range append(bounds, math.MaxInt64) {
		for native <= highest && nativeBound(native) < b {
			native++
		}
		for classic < len(classicBounds) && classicBounds[classic] < b {
			classic++
		}
		slots = append(slots, slot{b, native, classic})
	}
	return slots
}

// nativeBound is the upper bound of a native bucket in whole nanoseconds, which is as fine as durations are.
func nativeBound(index int) time.Duration {
	return time.Duration(math.Floor(math.Exp2(float64(index)/perDouble) * 1e9))
}

// A scale finds the slot of a duration.
type scale struct {
	slots []slot
	first [65]int // by bit length: where the search begins
}

func newScale() *scale {
	s := &scale{slots: makeSlots()}
	for length := range s.first {
		least := time.Duration(0)
		if length > 0 {
			least = time.Duration(min(uint64(1)<<(length-1), math.MaxInt64))
		}
		s.first[length] = s.find(0, least)
	}
	return s
}

func (s *scale) find(from int, d time.Duration) int {
	for d > s.slots[from].bound {
		from++
	}
	return from
}

// slot returns the index of the slot of d.
func (s *scale) slot(d time.Duration) int {
	if d < 0 {
		d = 0 // a clock that was set back
	}
	return s.find(s.first[bits.Len64(uint64(d))], d)
}

// quantile returns the duration below which that share of all is, interpolated within a native bucket; false if there is nothing.
func (s *scale) quantile(counts []uint64, q float64) (time.Duration, bool) {
	var total uint64
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0, false
	}
	rank, below := q*float64(total), 0.0
	var low time.Duration
	for i, n := range counts {
		high := s.slots[i].bound
		if high == math.MaxInt64 {
			return low, true // all that is known: longer than the highest bound
		}
		if n > 0 && below+float64(n) >= rank {
			return low + time.Duration(float64(high-low)*max(0, rank-below)/float64(n)), true
		}
		below, low = below+float64(n), high
	}
	return low, true
}
