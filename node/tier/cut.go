package tier

import (
	"math"
	"time"

	"github.com/engramd/engramd/node/record"
)

// A set says which tiers are looked at.
type set [tiers]bool

var (
	everything = set{Hot: true, Warm: true, Cold: true}
	onlyHot    = set{Hot: true}
	onlyWarm   = set{Warm: true}
)

// quota is ratio of total, rounded down but for the error of the product.
func quota(ratio float64, total int64) int64 {
	return int64(math.Floor(ratio*float64(total) + 1e-9))
}

// A cut divides memories: those above its score pass, and of those that have just this score some, in key order.
type cut struct {
	score   score
	in, out int64 // how many of those at the score: that are in the tier already, that are not
	passing int64 // how many pass in all
}

// passes tells whether the next memory passes. The cut counts those at its score.
func (c *cut) passes(s score, in bool) bool {
	switch {
	case s != c.score:
		return s > c.score
	case in && c.in > 0:
		c.in--
		return true
	case !in && c.out > 0:
		c.out--
		return true
	}
	return false
}

// A count is how many memories have one score: all of them, those that are hot, those that are stored plain.
type count struct{ all, hot, plain int64 }

// bins are the scores inside one bar of the histogram.
type bins [1 << fineBits]count

func binOf(s score) int { return int(s & (1<<fineBits - 1)) }

// A cutter cuts a ranking. It looks into single bars where it must.
type cutter struct {
	view *View
	of   set
	rank ranking
	bars map[int64]*bins
}

func (v *View) cutter(of set) *cutter {
	c := &cutter{view: v, of: of, bars: map[int64]*bins{}}
	if of == everything {
		c.rank = v.books.ranking()
		return c
	}
	bars := map[int64]int64{}
	v.table.each(false, func(_ record.Ord, p *page, i int) {
		if of[p.tier[i]] {
			bars[bucketOf(p.access[i].score())]++
		}
	})
	c.rank = rankingOf(bars)
	return c
}

// look makes the bins of these bars known, in one pass over the memories.
func (c *cutter) look(buckets ...int64) {
	wanted := map[int64]*bins{}
	for _, b := range buckets {
		if c.bars[b] == nil {
			wanted[b] = new(bins)
			c.bars[b] = wanted[b]
		}
	}
	if len(wanted) == 0 {
		return
	}
	c.view.table.each(false, func(_ record.Ord, p *page, i int) {
		if !c.of[p.tier[i]] {
			return
		}
		s := p.access[i].score()
		if b := wanted[bucketOf(s)]; b != nil {
			b[binOf(s)].add(p.tier[i])
		}
	})
}

func (n *count) add(t Tier) {
	n.all++
	if t == Hot {
		n.hot++
	}
	if t != Cold {
		n.plain++
	}
}

// holding returns the bar in which the n-th best is, and how many are in better ones.
func (r ranking) holding(n int64) (bucket, above int64) {
	for _, b := range r.bars {
		bucket = b.bucket
		if above+b.count >= n {
			break
		}
		above += b.count
	}
	return bucket, above
}

// atLeast returns how many have at least the score least.
func (c *cutter) atLeast(least score) (n int64) {
	if least == lowest {
		return c.rank.total
	}
	for _, b := range c.rank.bars {
		if b.bucket <= bucketOf(least) {
			break
		}
		n += b.count
	}
	for _, b := range c.bars[bucketOf(least)][binOf(least):] {
		n += b.all
	}
	return n
}

// cut lets the n best pass, but none below least. Where warm is set those that are hot pass anyway, and are not asked. The bars of
// least and of the n-th best have been looked into.
func (c *cutter) cut(n int64, least score, warm bool) cut {
	if enough := c.atLeast(least); enough <= n {
		return cut{score: least, in: math.MaxInt64, out: math.MaxInt64, passing: enough}
	}
	if n <= 0 {
		return cut{score: highest}
	}
	bucket, above := c.rank.holding(n)
	rest := n - above
	out := cut{score: score(bucket << fineBits), in: rest, passing: n} // where memories moved between two looks
	for i := len(c.bars[bucket]) - 1; i >= 0; i-- {
		bin := c.bars[bucket][i]
		if bin.all < rest {
			rest -= bin.all
			continue
		}
		out.score += score(i)
		if warm {
			rest = max(0, rest-bin.hot)
			out.in = min(rest, bin.plain-bin.hot)
		} else {
			out.in = min(rest, bin.hot)
		}
		out.out = rest - out.in
		break
	}
	return out
}

// A mode says what a sweep may do.
type mode struct {
	evict bool  // let nothing into a tier: rank only what is in it already
	limit int64 // how many may be hot at most, besides the policy
}

// cutHot divides what may be hot from the rest.
func (v *View) cutHot(p Policy, m mode, now time.Time) cut {
	of := everything
	if m.evict {
		of = onlyHot
	}
	c := v.cutter(of)
	least, n := threshold(p.Hot.Threshold, now), min(m.limit, quota(p.Hot.MaxRatio, v.total()))
	holding, _ := c.rank.holding(n)
	c.look(bucketOf(least), holding)
	return c.cut(n, least, false)
}

// cutWarm divides what may be warm from the rest. Where memories may also become warmer, what may be hot is counted with it: the hot
// best ones of the space.
func (v *View) cutWarm(p Policy, m mode, hot int64, now time.Time) cut {
	of, n := everything, hot+quota(p.Warm.MaxRatio, v.total())
	if m.evict {
		of, n = onlyWarm, n-hot
	}
	c := v.cutter(of)
	least := threshold(p.Warm.Threshold, now)
	holding, _ := c.rank.holding(n)
	c.look(bucketOf(least), holding)
	return c.cut(n, least, true)
}

func (v *View) total() int64 {
	v.books.mu.Lock()
	defer v.books.mu.Unlock()
	return v.books.total()
}
