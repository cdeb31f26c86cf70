package vector

import (
	"cmp"
	"math"
	"slices"
)

// A best keeps the limit best of many hits: a heap whose root is the worst of them.
type best struct {
	limit int
	heap  []Hit
	bar   float32 // the worst score once there are limit hits; less than any before
}

func newBest(limit int) best { return best{limit: limit, bar: float32(math.Inf(-1))} }

// compare orders the nearest first, of two equally near the lower ordinal.
func compare(a, b Hit) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Ord, b.Ord))
}

// add takes h, whose score is above the bar.
func (b *best) add(h Hit) {
	if len(b.heap) < b.limit {
		b.heap = append(b.heap, h)
		b.up(len(b.heap) - 1)
	} else {
		b.heap[0] = h
		b.down()
	}
	if len(b.heap) == b.limit {
		b.bar = b.heap[0].Score
	}
}

func (b *best) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if compare(b.heap[parent], b.heap[i]) >= 0 {
			return
		}
		b.heap[parent], b.heap[i] = b.heap[i], b.heap[parent]
		i = parent
	}
}

func (b *best) down() {
	for i := 0; ; {
		worst := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(b.heap) && compare(b.heap[child], b.heap[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		b.heap[i], b.heap[worst] = b.heap[worst], b.heap[i]
		i = worst
	}
}

// sorted returns the hits, best first, and ends b.
func (b *best) sorted() []Hit {
	slices.SortFunc(b.heap, compare)
	return b.heap
}
