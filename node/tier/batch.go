package tier

import (
	"cmp"
	"context"
	"slices"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A batch is what moves next, ordinals ascending.
type batch struct {
	view       *View
	compressor *compressor
	cut        cut
	moves      []moving
	chunk      []moving // of moves: what is in the transaction
	next       int      // no row of chunk before it is meant any more
	based      bool     // the base has what the memtable had
	buf        []byte
	moved      int
	damaged    int
	cause      error // of the first damaged one
}

type moving struct {
	ord  record.Ord
	goal Tier // Warm or Cold
	size uint32
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

// run moves the batch, at the pace. What only a memtable has could not move: it is brought into the base first.
func (b *batch) run(ctx context.Context, pace *pacer) error {
	if !b.based && len(b.moves) > 0 {
		if _, err := b.view.space.Checkpoint(ctx); err != nil {
			return err
		}
		b.based = true
	}
	for chunk := range slices.Chunk(b.moves, perTransaction) {
		ords := make([]record.Ord, len(chunk))
		for i := range chunk {
			ords[i] = chunk[i].ord
		}
		b.chunk, b.next = chunk, 0
		if err := pace.wait(ctx, len(chunk)); err != nil {
			return err
		}
		if err := b.view.space.Recode(ctx, ords, b.change, b.done); err != nil {
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
		if b.view.arrived(r, row.goal, row.size) {
			b.moved++
		}
	}
}

// arrived notes where a memory is now, if it is still the one that moved.
func (v *View) arrived(r store.Recoded, goal Tier, size uint32) bool {
	p, i := v.table.at(r.Ord)
	p.mu.Lock()
	defer p.mu.Unlock()
	// A put that is visible in the space but has not been applied here waits for this lock, and then says warm.
	before := p.tier[i]
	if before == none || v.space.Version(r.Ord) != r.Version {
		return false
	}
	v.books.move(before, goal, p.size[i], size)
	p.tier[i], p.size[i] = goal, size
	return true
}
