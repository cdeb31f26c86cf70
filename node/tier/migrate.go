package tier

import (
	"context"
	"time"

	"github.com/engramd/engramd/node/record"
)

// perTransaction is how many memories a migration moves in one transaction: few, because a checkpoint waits for it.
const perTransaction = 512

// A migration makes cold what is warm and does not pass its cut, and warm what is cold and passes.
type migration struct {
	cut     cut
	promote bool // else only the former
}

// planMigration prepares a migration behind a sweep after which hot may be hot. It returns also how many are to become cold,
// where nothing is to become warm.
func (v *View) planMigration(p Policy, m mode, hot int64, now time.Time) (*migration, int64) {
	c := v.cutWarm(p, m, hot, now)
	count, _, _ := v.books.snapshot()
	return &migration{cut: c, promote: !m.evict}, max(0, count[Warm]-c.passing)
}

// passes tells whether a memory may be plain. What is hot passes: the cut has been told of it.
func (m *migration) passes(t Tier, s score) bool {
	return t == Hot || m.cut.passes(s, t == Warm)
}

// migrate runs the migration that is wanted, if one is, in key order, until ctx ends or another one is wanted. It holds no lock that a read needs
// for longer than a look at a page.
func (v *View) migrate(ctx context.Context, pace *pacer) error {
	v.moving.Store(true) // before it is wanted no more: see Stats
	defer v.moving.Store(false)
	m := v.wanted.Swap(nil)
	if m == nil {
		return nil
	}
	if err := v.trainIfWorth(ctx); err != nil {
		return err
	}
	c, err := v.codec.compressor()
	if err != nil {
		return err
	}
	defer c.close()
	b := &batch{view: v, compressor: c, cut: m.cut}
	defer b.tell()
	pages := v.table.all()
	for at, p := range pages {
		p.each(false, record.Ord(at*pageRows), func(ord record.Ord, p *page, i int) { b.consider(m, ord, p, i) })
		if len(b.moves) < perTransaction && at < len(pages)-1 {
			continue
		}
		if err := b.run(ctx, pace); err != nil {
			return err
		}
		if v.wanted.Load() != nil || v.closed.Load() {
			return nil
		}
	}
	return nil
}
