package tier

import (
	"context"
	"fmt"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// Evict makes memories colder now, whatever their scores: those that are hot warm, and all cold if to is Cold. It returns how many moved. A
// sweep or an access may bring them back.
func (v *View) Evict(ctx context.Context, ords []record.Ord, to Tier) (int, error) {
	if to != Warm && to != Cold {
		return 0, fmt.Errorf("%w: memories are evicted to warm or cold, not %v", ErrPolicy, to)
	}
	c, err := v.codec.compressor()
	if err != nil {
		return 0, err
	}
	defer c.close()
	b := &batch{view: v, compressor: c, cut: cut{score: highest}}
	n := 0
	for _, ord := range slices.Compact(slices.Sorted(slices.Values(ords))) {
		switch was := v.chill(ord); {
		case was == Hot && to == Warm:
			n++
		case was == Hot || was == Warm && to == Cold:
			b.moves = append(b.moves, moving{ord: ord, goal: Cold})
		}
	}
	err = b.run(ctx, &pacer{perSecond: v.tiers.opts.MigratePerSecond})
	return n + b.moved, err
}

// chill makes a hot memory warm, and returns where it was.
func (v *View) chill(ord record.Ord) Tier {
	p, i := v.table.at(ord)
	if p == nil {
		return none
	}
	p.mu.Lock()
	was := p.tier[i]
	if was == Hot {
		p.tier[i] = Warm
		v.books.move(Hot, Warm, p.size[i], p.size[i])
	}
	p.mu.Unlock()
	if was == Hot {
		v.tiers.copies.Drop(v.key(ord))
	}
	return was
}
