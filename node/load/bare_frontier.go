package load

import (
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
)

// A bareFrontier is the least that anything can do which visits what a spread visits: a frontier, and a mark a memory.
type bareFrontier struct {
	seen  []uint32
	epoch uint32
	front []record.Ord
	next  []record.Ord
}

func newBareFrontier(limit record.Ord) *bareFrontier {
	return &bareFrontier{seen: make([]uint32, limit+1)}
}

// run follows the first edges of everything that it reaches in so many hops, and returns how many those were.
func (x *bareFrontier) run(g *graph.Snapshot, seed record.Ord, hops, fanOut int) (edges int) {
	x.epoch++
	x.seen[seed] = x.epoch
	x.front = append(x.front[:0], seed)
	for range hops {
		x.next = x.next[:0]
		for _, from := range x.front {
			row := g.Edges(from)
			for _, e := range row[:min(len(row), fanOut)] {
				edges++
				if to := e.To(); x.seen[to] != x.epoch {
					x.seen[to] = x.epoch
					x.next = append(x.next, to)
				}
			}
		}
		x.front, x.next = x.next, x.front
	}
	return edges
}
