package spread

import (
	"slices"

	"github.com/engramd/engramd/node/record"
)

// rank returns the strongest memories that may be hits, and how many are active.
func (w *Worker) rank(o Options) (hits []Hit, active int) {
	keys := w.keys[:0]
	for i := range w.reached.memories {
		m := &w.reached.memories[i]
		if m.total <= 0 {
			continue
		}
		active++
		if m.depth > 0 || !o.WithoutSeeds {
			keys = append(keys, key(m))
		}
	}
	w.keys = keys
	return w.hits(w.choose(keys, o)), active
}

// choose returns the indices of the first that o keeps. Where some are not kept it looks at twice as many, and so
// on: nothing is sorted that need not be.
func (w *Worker) choose(keys []uint64, o Options) []int32 {
	found := make([]int32, 0, min(o.Limit, len(keys)))
	asked := 0
	for n := o.Limit; len(found) < o.Limit && asked < len(keys); n *= 2 {
		n = min(n, len(keys))
		w.top = lowest(w.top[:0], keys, n)
		for _, k := range w.top[asked:] {
			if o.Keep != nil && !o.Keep(ordOf(k)) {
				continue
			}
			if found = append(found, w.reached.index(ordOf(k))); len(found) == o.Limit {
				break
			}
		}
		asked = n
	}
	return found
}

// hits says what was found, with its paths.
func (w *Worker) hits(found []int32) []Hit {
	steps := 0
	for _, i := range found {
		steps += int(w.reached.memories[i].depth) + 1
	}
	hits := make([]Hit, len(found))
	paths := make([]record.Ord, steps)
	for n, i := range found {
		m := &w.reached.memories[i]
		length := int(m.depth) + 1
		hits[n] = Hit{Ord: m.ord, Activation: float(m.total), Path: paths[:length:length]}
		paths = paths[length:]
		for at := length - 1; at >= 0; at-- {
			m := &w.reached.memories[i]
			hits[n].Path[at], i = m.ord, m.via
		}
	}
	return hits
}

// A key orders memories: activation descending, then ordinal ascending.
func key(m *memory) uint64 { return uint64(one-m.total)<<32 | uint64(m.ord) }

func ordOf(key uint64) record.Ord { return record.Ord(key) }

// lowest appends the n lowest of keys to dst, ascending. It keeps the lowest so far in a heap with the highest of them on
// top, which most keys do not get past.
func lowest(dst, keys []uint64, n int) []uint64 {
	heap := append(dst, keys[:n]...)
	for i := n/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	for _, k := range keys[n:] {
		if k < heap[0] {
			heap[0] = k
			sink(heap, 0)
		}
	}
	slices.Sort(heap)
	return heap
}

func sink(h []uint64, i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1] > h[child] {
			child++
		}
		if h[i] >= h[child] {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
