package policy

import (
	"maps"
	"math"
	"slices"
)

// A box is the set of points of a matrix's signals that one row answers: an interval for each axis.
type box []Interval

func everything(axes int) box {
	b := make(box, axes)
	for i := range b {
		b[i] = Interval{math.Inf(-1), math.Inf(1)}
	}
	return b
}

func (i Interval) empty() bool { return !(i.Lo < i.Hi) } // also where a bound is no number

func (i Interval) intersect(o Interval) Interval { return Interval{max(i.Lo, o.Lo), min(i.Hi, o.Hi)} }

// intersect returns the points in both, false if there are none.
func (b box) intersect(o box) (box, bool) {
	both := make(box, len(b))
	for i := range b {
		if both[i] = b[i].intersect(o[i]); both[i].empty() {
			return nil, false
		}
	}
	return both, true
}

// without returns the points of b that are not in o, as boxes that do not overlap.
func (b box) without(o box) []box {
	both, overlap := b.intersect(o)
	if !overlap {
		return []box{b}
	}
	var rest []box
	left := slices.Clone(b)
	for i := range b {
		for _, side := range []Interval{{left[i].Lo, both[i].Lo}, {both[i].Hi, left[i].Hi}} {
			if !side.empty() {
				part := slices.Clone(left)
				part[i] = side
				rest = append(rest, part)
			}
		}
		left[i] = both[i]
	}
	return rest
}

// maxBoxes bounds the proof. A matrix that a person can read needs a few dozen.
const maxBoxes = 20000

// without takes o out of every box; false where there would be too many.
func without(boxes []box, o box) ([]box, bool) {
	var rest []box
	for _, b := range boxes {
		rest = append(rest, b.without(o)...)
		if len(rest) > maxBoxes {
			return nil, false
		}
	}
	return rest, true
}

// point returns a point in b that a person would name: near the bounds that matter.
func (b box) point(axes []string) map[string]float64 {
	p := make(map[string]float64, len(b))
	for i, name := range axes {
		switch lo, hi := b[i].Lo, b[i].Hi; {
		case lo <= 0 && 0 < hi:
			p[name] = 0
		case !math.IsInf(lo, -1):
			p[name] = lo
		default:
			p[name] = below(hi)
		}
	}
	return p
}

// below is a number less than v, a round one if there is one.
func below(v float64) float64 {
	if less := math.Ceil(v) - 1; less < v {
		return less
	}
	return math.Nextafter(v, math.Inf(-1))
}

// axes are the signals that any row reads, by name.
func (m *Matrix) axes() []string {
	seen := map[string]bool{}
	for _, r := range m.Rows {
		for name := range r.When {
			seen[name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (r Row) box(axes []string) box {
	b := everything(len(axes))
	for i, name := range axes {
		if interval, reads := r.When[name]; reads {
			b[i] = interval
		}
	}
	return b
}
