package node

import (
	"context"
	"sync"

	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
)

// views is the resident state of one space.
type views struct {
	graph   *graph.Graph
	tiers   *tier.View
	vectors *vector.View
	changes *consolidate.View
}

// newViews makes the resident state of a space.
func (n *Node) newViews(s *store.Space, dir string) ([]store.View, error) {
	vectors, err := vector.New(vector.Options{Dir: dir, Logger: n.opts.Logger})
	if err != nil {
		return nil, err
	}
	g := graph.New(s, graph.Options{Logger: n.opts.Logger})
	n.graphs.add(g)
	return []store.View{g, n.tiers.View(s), vectors, consolidate.NewView(n.opts.Now)}, nil
}

// viewsOf returns the resident state of s. The views of a damaged space are there, and empty.
func viewsOf(s *store.Space) (v views) {
	for _, view := range s.Views() {
		switch view := view.(type) {
		case *graph.Graph:
			v.graph = view
		case *tier.View:
			v.tiers = view
		case *vector.View:
			v.vectors = view
		case *consolidate.View:
			v.changes = view
		}
	}
	return v
}

// graphs runs the graphs of all spaces, those that are created later too. A graph's Run ends with its space.
type graphs struct {
	mu      sync.Mutex
	waiting []*graph.Graph // for Run
	start   func(*graph.Graph)
}

func (gs *graphs) add(g *graph.Graph) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.start == nil {
		gs.waiting = append(gs.waiting, g)
		return
	}
	gs.start(g)
}

// run runs all graphs until ctx ends.
func (gs *graphs) run(ctx context.Context) error {
	var wg sync.WaitGroup
	gs.mu.Lock()
	gs.start = func(g *graph.Graph) {
		wg.Go(func() { _ = g.Run(ctx) }) // it logs what it meets, and returns nil
	}
	for _, g := range gs.waiting {
		gs.start(g)
	}
	gs.waiting = nil
	gs.mu.Unlock()
	<-ctx.Done()
	gs.mu.Lock()
	gs.start = func(*graph.Graph) {} // too late: nothing merges or sweeps any more
	gs.mu.Unlock()
	wg.Wait()
	return nil
}
