package spread_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A still is a space in which nothing happens but what a test feeds its graph.
type still struct{}

func (still) Version(record.Ord) uint64 { return 0 }
func (still) Limit() record.Ord         { return 0 }
func (still) Dead() []record.Ord        { return nil }
func (still) Apply(context.Context, []store.Change) ([]store.Result, error) {
	return nil, store.ErrReadOnly
}

// random loads a graph of n memories, each with degree edges to others.
func random(tb testing.TB, n, degree int) *graph.Graph {
	tb.Helper()
	r := rand.New(rand.NewPCG(uint64(n), uint64(degree)))
	g := graph.New(still{}, graph.Options{})
	for i := range n {
		g.LoadValue(record.Ord(i+1), nil)
	}
	edges := make([]store.EdgeTo, degree)
	for i := range n {
		for j := range edges {
			edges[j] = store.EdgeTo{
				To:     record.Ord(1 + (i+1+r.IntN(n-1))%n),
				Weight: record.WeightOne/2 + record.Weight(r.IntN(int(record.WeightOne/2))),
			}
		}
		g.LoadEdges(record.Ord(i+1), edges)
	}
	if err := g.Loaded(); err != nil {
		tb.Fatal(err)
	}
	return g
}
