package graph

import (
	"github.com/engramd/engramd/node/record"
)

// A batch is the next snapshot while it is being made: chunks are copied when they are first touched, and are its own then.
type batch struct {
	snap    Snapshot
	id      uint64
	touched []int // chunks that are its own
	shared  bool  // the table of chunks is still that of the snapshot before
	scratch *scratch
}

// begin starts the next batch. It runs under the writer's lock.
func (g *Graph) begin() *batch {
	g.batches++
	return &batch{snap: *g.current.Load(), id: g.batches, shared: true, scratch: &g.scratch}
}

// publish makes the batch what readers see.
func (g *Graph) publish(b *batch) {
	if len(b.touched) > 0 {
		g.current.Store(&b.snap)
	}
}

// own returns a chunk that the batch may change.
func (b *batch) own(number int) *chunk {
	c := b.snap.chunk(number)
	if c.owner == b.id {
		return c
	}
	if b.shared || number >= len(b.snap.chunks) {
		b.extend(number)
	}
	c = c.clone(b.id)
	b.snap.chunks[number] = c
	b.touched = append(b.touched, number)
	return c
}

// extend makes the table of chunks the batch's own and long enough.
func (b *batch) extend(number int) {
	size := max(len(b.snap.chunks), number+1)
	table := make([]*chunk, size)
	for i := copy(table, b.snap.chunks); i < size; i++ {
		table[i] = empty
	}
	b.snap.chunks, b.shared = table, false
}

// revive makes ord alive. Whatever an earlier memory of that ordinal left behind goes.
func (b *batch) revive(ord record.Ord) {
	if b.snap.Alive(ord) {
		return
	}
	number, local := split(ord)
	if b.snap.chunk(number).isDead(local) {
		b.purge(ord)
		b.free(ord)
	}
	b.own(number).alive.set(local)
	b.snap.nodes++
}

// kill makes ord dead and drops the edges that leave from it.
func (b *batch) kill(ord record.Ord) {
	number, local := split(ord)
	b.wipe(ord)
	c := b.own(number)
	if c.alive.has(local) {
		c.alive.clear(local)
		b.snap.nodes--
	}
	if !c.isDead(local) {
		c.setDead(local)
		b.snap.dead++
	}
}

// free forgets that ord was deleted.
func (b *batch) free(ord record.Ord) {
	number, local := split(ord)
	if b.snap.chunk(number).isDead(local) {
		b.own(number).dead.clear(local)
		b.snap.dead--
	}
}

// wipe drops the edges that leave from a memory.
func (b *batch) wipe(from record.Ord) {
	edges := b.snap.Edges(from)
	if len(edges) == 0 {
		return
	}
	for _, e := range edges {
		number, _ := split(e.To())
		b.own(number).stale++
	}
	b.snap.edges -= len(edges)
	b.setRow(from, nil)
}

// purge drops the edges that lead to a memory, and those that leave from it.
func (b *batch) purge(ord record.Ord) {
	b.wipe(ord)
	number, local := split(ord)
	for _, from := range b.snap.chunk(number).sources(nil, local) {
		b.edit(from, []edit{{to: ord}})
	}
}

// setRow replaces the edges that leave from a memory. edges belongs to the graph from now on.
func (b *batch) setRow(from record.Ord, edges []Edge) {
	number, local := split(from)
	c := b.own(number)
	switch {
	case c.delta == nil:
		c.delta = newDelta(b.id)
	case c.delta.owner != b.id:
		c.delta = c.delta.clone(b.id)
	}
	c.delta.set(local, &row{edges: edges}, b.id)
}

// edit changes the edges that leave from a memory. The edits name each target once, ascending; was is filled
// in here where it is not known.
func (b *batch) edit(from record.Ord, edits []edit) {
	old := b.snap.Edges(from)
	changed, replaced, size := false, false, len(old)
	for _, e := range old {
		if i, ok := find(edits, e.To()); ok {
			edits[i].was = e.weight
		}
	}
	for i := range edits {
		e := &edits[i]
		e.settle()
		number, local := split(e.to)
		switch {
		case e.was == e.now:
			continue
		case e.was == 0:
			c := b.own(number)
			c.added = append(c.added, arrival{local: local, from: from})
			size++
		case e.now == 0:
			b.own(number).stale++
			size--
		}
		changed, replaced = true, replaced || e.was != 0
	}
	if !changed {
		return
	}
	b.snap.edges += size - len(old)
	gone := edits
	if !replaced {
		gone = nil
	}
	b.setRow(from, mergeRanked(make([]Edge, 0, size), old, gone, b.scratch.rank(edits)))
}

// rank returns the edges that edits add or change, ranked, until it is called again.
func (s *scratch) rank(edits []edit) []Edge {
	s.ranked = s.ranked[:0]
	for _, e := range edits {
		if e.now != 0 && e.now != e.was {
			s.ranked = append(s.ranked, makeEdge(e.to, e.now))
		}
	}
	rank(s.ranked)
	return s.ranked
}

// mergeRanked appends to dst what is in old, but for what gone changes, and what is in add, all ranked.
func mergeRanked(dst, old []Edge, gone []edit, add []Edge) []Edge {
	for _, e := range old {
		if i, ok := find(gone, e.To()); ok && gone[i].now != gone[i].was {
			continue
		}
		for len(add) > 0 && add[0].rank() < e.rank() {
			dst, add = append(dst, add[0]), add[1:]
		}
		dst = append(dst, e)
	}
	return append(dst, add...)
}
