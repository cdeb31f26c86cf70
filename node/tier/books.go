package tier

import (
	"maps"
	"slices"
	"sync"
)

// fineBits is how many bits of a score the histogram does not tell apart: its bars are 1/64 of a half-life wide, 1.1 % of an
// activation.
const fineBits = 10

func bucketOf(s score) int64 { return int64(s >> fineBits) }

// books are the sums over all memories of a space. They change together with the rows, under the lock of a page and their own.
type books struct {
	mu    sync.Mutex
	count [tiers]int64
	bytes [tiers]int64 // of the stored values
	moves moves
	bars  map[int64]int64 // histogram of scores
}

// move takes a memory from one tier to another, or changes its size; none is not there.
func (b *books) move(from, to Tier, before, after uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved(from, to, before, after)
}

func (b *books) moved(from, to Tier, before, after uint32) {
	b.count[from]--
	b.bytes[from] -= int64(before)
	b.count[to]++
	b.bytes[to] += int64(after)
	if from != to && from != none && to != none {
		b.moves[from][to]++
	}
}

// heat makes a warm memory hot if there is room: at most ratio of all, and at most limit.
func (b *books) heat(size uint32, ratio float64, limit int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count[Hot] >= min(limit, quota(ratio, b.total())) {
		return false
	}
	b.moved(Warm, Hot, size, size)
	return true
}

func (b *books) total() int64 { return b.count[Hot] + b.count[Warm] + b.count[Cold] }

// enter, leave and rescore keep the histogram.
func (b *books) enter(s score) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bars[bucketOf(s)]++
}

func (b *books) leave(s score) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left(s)
}

func (b *books) left(s score) {
	k := bucketOf(s)
	if b.bars[k]--; b.bars[k] == 0 {
		delete(b.bars, k)
	}
}

func (b *books) rescore(before, after score) {
	if bucketOf(before) == bucketOf(after) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left(before)
	b.bars[bucketOf(after)]++
}

// A ranking is a histogram, best first.
type ranking struct {
	bars  []bar
	total int64
}

type bar struct{ bucket, count int64 }

func rankingOf(bars map[int64]int64) ranking {
	var r ranking
	for _, k := range slices.Backward(slices.Sorted(maps.Keys(bars))) {
		r.bars = append(r.bars, bar{k, bars[k]})
		r.total += bars[k]
	}
	return r
}

// ranking returns the histogram of all memories.
func (b *books) ranking() ranking {
	b.mu.Lock()
	bars := maps.Clone(b.bars)
	b.mu.Unlock()
	return rankingOf(bars)
}

// snapshot returns the sums at one moment.
func (b *books) snapshot() (count, bytes [tiers]int64, moved moves) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count, b.bytes, b.moves
}
