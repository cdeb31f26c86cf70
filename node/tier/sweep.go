package tier

import (
	"time"

	"github.com/engramd/engramd/node/record"
)

// Swept is what a sweep did.
type Swept struct {
	// HotToWarm and WarmToHot are done.
	HotToWarm int64 `json:"hot_to_warm"`
	WarmToHot int64 `json:"warm_to_hot"`
	// WarmToCold has begun, in the background; fewer may move, because accesses count on.
	WarmToCold int64 `json:"warm_to_cold"`
}

func (s *Swept) add(o Swept) {
	s.HotToWarm += o.HotToWarm
	s.WarmToHot += o.WarmToHot
	s.WarmToCold += o.WarmToCold
}

// sweepHot moves memories between hot and warm, and returns also how many may be hot.
func (v *View) sweepHot(p Policy, m mode, now time.Time) (s Swept, passing int64) {
	v.sweeping.Lock()
	defer v.sweeping.Unlock()
	c := v.cutHot(p, m, now)
	s.HotToWarm = v.cool(c)
	if !m.evict && v.tiers.filling() {
		s.WarmToHot = v.fill(c, p, m)
	}
	return s, c.passing
}

// cool makes warm what is hot and does not pass.
func (v *View) cool(c cut) (n int64) {
	var cooled []record.Ord
	for at, p := range v.table.all() {
		cooled = cooled[:0]
		p.each(true, record.Ord(at*pageRows), func(ord record.Ord, p *page, i int) {
			if p.tier[i] == Hot && !c.passes(p.access[i].score(), true) {
				p.tier[i] = Warm
				v.books.move(Hot, Warm, p.size[i], p.size[i])
				cooled = append(cooled, ord)
			}
		})
		for _, ord := range cooled { // beyond the lock: the cache may let its callers wait
			v.tiers.copies.Drop(v.key(ord))
		}
		n += int64(len(cooled))
	}
	return n
}

// fill makes hot what is warm and passes. What is cold and passes becomes warm by a migration, and hot by a later sweep.
func (v *View) fill(c cut, p Policy, m mode) (n int64) {
	v.table.each(true, func(_ record.Ord, page *page, i int) {
		if page.tier[i] == Hot || !c.passes(page.access[i].score(), false) || page.tier[i] != Warm {
			return
		}
		if v.books.heat(page.size[i], p.Hot.MaxRatio, min(m.limit, v.limit.Load())) {
			page.tier[i] = Hot
			n++
		}
	})
	return n
}

// dropCopies drops the copies of what is hot while more says so.
func (v *View) dropCopies(more func() bool) {
	var hot []record.Ord
	for at, p := range v.table.all() {
		hot = hot[:0]
		p.each(false, record.Ord(at*pageRows), func(ord record.Ord, p *page, i int) {
			if p.tier[i] == Hot {
				hot = append(hot, ord)
			}
		})
		for _, ord := range hot {
			if !more() {
				return
			}
			v.tiers.copies.Drop(v.key(ord))
		}
	}
}
