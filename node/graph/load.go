package graph

import (
	"slices"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A loading is the graph while the store reads its base. Sources come in ascending order, as they do from a base,
// straight into the base of their chunk; one that comes late goes into the delta.
type loading struct {
	chunks []*chunk
	nodes  int
	edges  int
}

func (l *loading) chunk(ord record.Ord) (*chunk, uint32) {
	number, local := split(ord)
	for len(l.chunks) <= number {
		l.chunks = append(l.chunks, &chunk{})
	}
	return l.chunks[number], local
}

// LoadValue implements [store.View]: ord is alive.
func (g *Graph) LoadValue(ord record.Ord, _ record.Value) {
	g.loading.alive(ord)
}

func (l *loading) alive(ord record.Ord) {
	if c, local := l.chunk(ord); !c.alive.has(local) {
		c.alive.set(local)
		l.nodes++
	}
}

// LoadAccess implements [store.View]. How warm a memory is does not matter here.
func (g *Graph) LoadAccess(record.Ord, record.Access) {}

// LoadEdges implements [store.View].
func (g *Graph) LoadEdges(from record.Ord, edges []store.EdgeTo) {
	row := g.scratch.ranked[:0]
	for _, e := range edges {
		if valid(from, e.To, e.Weight) {
			row = append(row, makeEdge(e.To, e.Weight))
		}
	}
	g.scratch.ranked = row
	if len(row) > 0 {
		rank(row)
		g.loading.source(from, row)
	}
}

// source takes the edges of a source, which it copies.
func (l *loading) source(from record.Ord, edges []Edge) {
	c, local := l.chunk(from)
	for _, e := range edges {
		l.chunk(e.To())
	}
	l.edges += len(edges)
	if n := len(c.base.start); n > 0 && int(local) < n-1 {
		if c.delta == nil {
			c.delta = newDelta(0)
		}
		l.edges -= len(c.row(local))
		c.delta.set(local, &row{edges: slices.Clone(edges)}, 0)
		return
	}
	c.base.push(local, edges)
}

// push appends the edges of a source above all that are there.
func (o *out) push(local uint32, row []Edge) {
	for len(o.start) <= int(local) {
		o.start = append(o.start, uint32(len(o.edges)))
	}
	o.edges = append(o.edges, row...)
	o.start = append(o.start, uint32(len(o.edges)))
}

// finishLoading makes what was loaded the first snapshot. It runs under the writer's lock.
func (g *Graph) finishLoading() {
	l := g.loading
	if l == nil {
		return
	}
	for _, c := range l.chunks {
		c.base.start, c.base.edges = exact(c.base.start), exact(c.base.edges)
	}
	l.reverse()
	g.current.Store(&Snapshot{chunks: l.chunks, nodes: l.nodes, edges: l.edges})
	g.loading = nil
}

// reverse makes the ins: it counts, makes room, and fills it in the order of the sources, so that those of each
// target ascend.
func (l *loading) reverse() {
	next := make([][]uint32, len(l.chunks)) // where the next source of each memory goes
	l.each(func(_, to record.Ord) {
		number, local := split(to)
		for len(next[number]) <= int(local) {
			next[number] = append(next[number], 0)
		}
		next[number][local]++
	})
	for i, counts := range next {
		if len(counts) == 0 {
			continue
		}
		in := &l.chunks[i].in
		in.start = make([]uint32, len(counts)+1)
		for local, n := range counts {
			in.start[local+1] = in.start[local] + n
		}
		in.from = make([]record.Ord, in.start[len(counts)])
		copy(counts, in.start)
	}
	l.each(func(from, to record.Ord) {
		number, local := split(to)
		at := &next[number][local]
		l.chunks[number].in.from[*at] = from
		*at++
	})
}

func (l *loading) each(fn func(from, to record.Ord)) {
	for number, c := range l.chunks {
		for local := range uint32(chunkSize) {
			for _, e := range c.row(local) {
				fn(join(number, local), e.To())
			}
		}
	}
}

// Loaded implements [store.View]. Memories whose value is damaged were not loaded, but are not gone: the
// space knows them.
func (g *Graph) Loaded() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.finishLoading()
	b := g.begin()
	for ord := record.Ord(1); ord < g.space.Limit(); ord++ {
		if !b.snap.Alive(ord) && g.space.Version(ord) != 0 {
			b.revive(ord)
		}
	}
	for _, ord := range g.space.Dead() {
		b.kill(ord)
	}
	g.publish(b)
	g.signal()
	return nil
}
