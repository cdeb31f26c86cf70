package load

import (
	"context"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// still is a space in which nothing happens.
type still struct{}

func (still) Version(record.Ord) uint64 { return 0 }
func (still) Limit() record.Ord         { return 0 }
func (still) Dead() []record.Ord        { return nil }
func (still) Apply(context.Context, []store.Change) ([]store.Result, error) {
	return nil, store.ErrReadOnly
}

// loadGraph makes the graph of g without a node below it, as a start loads it: for sizes at which only spreads are looked at.
func loadGraph(g Generator) (*graph.Graph, error) {
	out := graph.New(still{}, graph.Options{})
	for i := range g.Memories {
		out.LoadValue(record.Ord(i+1), nil)
	}
	edges := make([]store.EdgeTo, 0, g.Degree)
	for i := range g.Memories {
		edges = edges[:0]
		for to, w := range g.targets(i) {
			edges = append(edges, store.EdgeTo{To: record.Ord(to + 1), Weight: w})
		}
		out.LoadEdges(record.Ord(i+1), edges)
	}
	return out, out.Loaded()
}
