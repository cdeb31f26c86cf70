package graph

import (
	"context"

	"github.com/engramd/engramd/node/record"
)

// A chunk is merged when its delta is a quarter of its base, and not for less than these.
const (
	minDelta  = 2048 // edges of changed rows; each row counts rowWeight more
	minIn     = 1024 // arrivals, or stale entries
	rowWeight = 8
)

func (c *chunk) outDue() bool {
	return c.delta != nil && c.delta.edges+rowWeight*c.delta.rows > max(minDelta, len(c.base.edges)/4)
}

func (c *chunk) inDue() bool {
	return max(len(c.added), c.stale) > max(minIn, len(c.in.from)/4)
}

func (c *chunk) due() bool { return c.outDue() || c.inDue() }

// Merge brings the delta of every chunk into its base, until ctx ends. No answer changes, and nobody waits.
func (g *Graph) Merge(ctx context.Context) error {
	return g.merge(ctx, func(c *chunk) (bool, bool) { return c.delta != nil, len(c.added)+c.stale > 0 })
}

// merge goes over the chunks once; which says what of a chunk is to be merged.
func (g *Graph) merge(ctx context.Context, which func(*chunk) (out, in bool)) error {
	g.merging.Lock()
	defer g.merging.Unlock()
	for number := range g.Snapshot().chunks {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s := g.Snapshot()
		c := s.chunks[number]
		out, in := which(c)
		if !out && !in {
			continue
		}
		m := &merged{}
		if out {
			m.out(c)
		}
		if in {
			m.in(s, number)
		}
		g.replace(number, c, m)
		g.merges.Add(1)
	}
	return nil
}

// A merged is a new base of a chunk; nil stands for what was not merged.
type merged struct {
	forward *out
	reverse *in
}

func (m *merged) out(c *chunk) {
	size, last := 0, -1
	for local := range uint32(chunkSize) {
		if n := len(c.row(local)); n > 0 {
			size, last = size+n, int(local)
		}
	}
	m.forward = &out{start: make([]uint32, 0, last+2), edges: make([]Edge, 0, size)}
	for local := range uint32(last + 1) {
		m.forward.push(local, c.row(local))
	}
}

func (m *merged) in(s *Snapshot, number int) {
	c := s.chunks[number]
	var is func(record.Ord, uint32) bool
	if c.stale > 0 {
		is = func(from record.Ord, local uint32) bool {
			_, ok := s.weight(from, join(number, local))
			return ok
		}
	}
	reverse := c.mergedIn(is)
	m.reverse = &reverse
}

// replace publishes m, which was made of the chunk as it was then, with what came since.
func (g *Graph) replace(number int, then *chunk, m *merged) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.begin()
	now := b.own(number)
	if m.forward != nil {
		now.base, now.delta = *m.forward, now.delta.since(then.delta)
	}
	if m.reverse != nil {
		now.in, now.stale = *m.reverse, now.stale-then.stale
		now.added = append([]arrival(nil), now.added[len(then.added):]...)
	}
	g.publish(b)
}
