package tier

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
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

// A batch is what moves next, ordinals ascending.
type batch struct {
	view       *View
	compressor *compressor
	cut        cut
	moves      []moving
	chunk      []moving // of moves: what is in the transaction
	next       int      // no row of chunk before it is meant any more
	buf        []byte
	damaged    int
	cause      error // of the first damaged one
}

type moving struct {
	ord  record.Ord
	goal Tier // Warm or Cold
	size uint32
}

// migrate runs m in key order, until ctx ends or another migration of the space is wanted. It holds no lock that a read needs
// for longer than a look at a page.
func (v *View) migrate(ctx context.Context, m *migration, pace *pacer) error {
	v.moving.Store(true)
	defer v.moving.Store(false)
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

func (b *batch) tell() {
	if b.damaged > 0 {
		b.view.tiers.opts.Logger.Error("memories that cannot be decompressed stay cold", "space", b.view.space.Name(),
			"memories", b.damaged, "error", b.cause)
	}
}

// consider takes a memory into the batch if it has to move. Its page is locked.
func (b *batch) consider(m *migration, ord record.Ord, p *page, i int) {
	t := p.tier[i]
	if t == Cold && !m.promote {
		return
	}
	pass := m.passes(t, p.access[i].score())
	switch {
	case t == Warm && !pass:
		b.moves = append(b.moves, moving{ord: ord, goal: Cold})
	case t == Cold && pass:
		b.moves = append(b.moves, moving{ord: ord, goal: Warm})
	}
}

// run moves the batch, and waits as long as the pace wants.
func (b *batch) run(ctx context.Context, pace *pacer) error {
	for chunk := range slices.Chunk(b.moves, perTransaction) {
		ords := make([]record.Ord, len(chunk))
		for i := range chunk {
			ords[i] = chunk[i].ord
		}
		b.chunk, b.next = chunk, 0
		if err := b.view.space.Recode(ctx, ords, b.change, b.done); err != nil {
			return err
		}
		if err := pace.wait(ctx, len(chunk)); err != nil {
			return err
		}
	}
	b.moves = b.moves[:0]
	return nil
}

// seek returns the row of ord, which is not below that of the call before.
func (b *batch) seek(ord record.Ord) *moving {
	for b.chunk[b.next].ord != ord {
		b.next++
	}
	return &b.chunk[b.next]
}

// change is called in a transaction with what is stored, and returns what shall be.
func (b *batch) change(ord record.Ord, value record.Value) (out record.Value, err error) {
	row := b.seek(ord)
	if !b.still(row) {
		return nil, nil
	}
	switch plain := value.Codec() == record.Plain; {
	case row.goal == Cold && plain:
		out = b.compressor.compress(ord, value)
	case row.goal == Warm && !plain:
		payload, err := b.view.codec.plain(value, b.buf)
		if err != nil {
			// Whoever reads it is told; the others move on.
			b.damaged++
			b.cause = cmp.Or(b.cause, err)
			return nil, nil
		}
		b.buf = payload
		out = value.Recode(ord, record.Plain, 0, payload)
	}
	row.size = uint32(len(out))
	return out, nil
}

// still tells whether a memory has not been accessed meanwhile in a way that lets it stay.
func (b *batch) still(row *moving) bool {
	p, i := b.view.table.at(row.ord)
	p.mu.RLock()
	defer p.mu.RUnlock()
	if row.goal == Cold {
		return p.tier[i] == Warm && p.access[i].score() <= b.cut.score
	}
	return p.tier[i] == Cold
}

// done is called after a transaction with what was stored in another way.
func (b *batch) done(recoded []store.Recoded) {
	b.next = 0
	for _, r := range recoded {
		row := b.seek(r.Ord)
		b.view.arrived(r, row.goal, row.size)
	}
}

// arrived notes where a memory is now, if it is still the one that moved.
func (v *View) arrived(r store.Recoded, goal Tier, size uint32) {
	p, i := v.table.at(r.Ord)
	p.mu.Lock()
	defer p.mu.Unlock()
	// A put that is visible in the space but has not been applied here waits for this lock, and then says warm.
	if before := p.tier[i]; before != none && v.space.Version(r.Ord) == r.Version {
		v.books.move(before, goal, p.size[i], size)
		p.tier[i], p.size[i] = goal, size
	}
}

// A pacer lets so many a second pass.
type pacer struct {
	perSecond int
	next      time.Time
}

// wait returns when n more may have passed.
func (p *pacer) wait(ctx context.Context, n int) error {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.perSecond))
	t := time.NewTimer(p.next.Sub(now))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
