package spread

import "github.com/engramd/engramd/node/record"

// A memory is what a spread knows of one: 32 bytes, so that those of a usual spread stay in the first caches.
type memory struct {
	ord   record.Ord
	total int32 // activation
	sent  int32 // the most of it that was sent
	best  int32 // what via gave
	given int64 // in this hop
	via   int32 // index of whoever gave most in the hop that made it active
	depth uint8 // steps from a seed; never: not active so far
	seen  uint8 // the last hop that gave it something
}

const never = 0xff

// A reached is a set of memories, in order of arrival, that finds one by ordinal. Its room follows what a spread
// reaches and not the size of the graph, and so is mostly in a cache, where an array by ordinal is a cache miss an
// edge.
type reached struct {
	memories []memory
	slots    []int32 // open addressing: index + 1, zero is free; at most a quarter is taken, so that most looks end at the first
	shift    uint8   // 32 - log2(len(slots))
}

const (
	minSlotBits  = 9
	keepMemories = 1 << 18 // what is kept of a large spread's room for the next one: 12 MiB
)

// reset empties the set. It expects about as many memories as there were.
func (r *reached) reset() {
	bits := uint8(minSlotBits)
	for 1<<bits < 4*len(r.memories) {
		bits++
	}
	r.memories = r.memories[:0]
	r.resize(bits)
}

// resize makes 2^bits empty slots.
func (r *reached) resize(bits uint8) {
	n := 1 << bits
	if cap(r.slots) < n {
		r.slots = make([]int32, n)
	} else {
		r.slots = r.slots[:n]
		clear(r.slots)
	}
	r.shift = 32 - bits
}

// reserve makes room for n more, so that neither memories nor slots move while those arrive.
func (r *reached) reserve(n int) {
	n += len(r.memories)
	if n > cap(r.memories) {
		grown := make([]memory, len(r.memories), 2*n)
		copy(grown, r.memories)
		r.memories = grown
	}
	if 4*n > len(r.slots) {
		r.rehash(n)
	}
}

func (r *reached) rehash(n int) {
	bits := 32 - r.shift
	for 1<<bits < 4*n {
		bits++
	}
	r.resize(bits)
	mask := uint32(len(r.slots) - 1)
	for i := range r.memories {
		at := home(r.memories[i].ord, r.shift)
		for r.slots[at&mask] != 0 {
			at++
		}
		r.slots[at&mask] = int32(i) + 1
	}
}

// home spreads neighbouring ordinals over the slots (Fibonacci hashing).
func home(ord record.Ord, shift uint8) uint32 { return uint32(ord) * 0x9e3779b1 >> shift }

// index returns where ord is, and lets it in if it is not there.
func (r *reached) index(ord record.Ord) int32 {
	r.reserve(1)
	mask := uint32(len(r.slots) - 1)
	for at := home(ord, r.shift); ; at++ {
		i := r.slots[at&mask]
		if i == 0 {
			r.memories = append(r.memories, memory{ord: ord, depth: never, seen: never})
			r.slots[at&mask] = int32(len(r.memories))
			return int32(len(r.memories)) - 1
		}
		if r.memories[i-1].ord == ord {
			return i - 1
		}
	}
}

// take adds what a memory was given in a hop.
func (r *reached) take(i int32) {
	m := &r.memories[i]
	m.total = int32(max(0, min(int64(m.total)+m.given, one)))
	m.given = 0
	switch {
	case m.depth != never:
	case m.total > 0:
		m.depth = r.memories[m.via].depth + 1
	default:
		m.best = 0 // it stays inactive: its path is that of the hop that makes it active
	}
}
