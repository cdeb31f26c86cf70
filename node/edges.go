package node

import (
	"context"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// Edges returns the edges that leave from a memory, weight descending, and those that lead to it.
func (n *Node) Edges(ctx context.Context, space, id string) (out, in []Edge, err error) {
	defer n.reading()()
	err = n.in(space, func(s *store.Space) error {
		out, in, err = n.edgesOf(ctx, s, id)
		return err
	})
	return out, in, err
}

func (n *Node) edgesOf(ctx context.Context, s *store.Space, id string) (out, in []Edge, err error) {
	m, err := n.get(ctx, s, id, WithoutVector)
	if err != nil {
		return nil, nil, err
	}
	ord, _, ok := s.Lookup(m.ID)
	if !ok {
		return nil, nil, notFound(id)
	}
	g := viewsOf(s).graph.Snapshot()
	name := func(of record.Ord) (id string, ok bool) {
		if g.Alive(of) {
			id, ok = s.RecordID(of)
		}
		return id, ok
	}
	for _, e := range g.Edges(ord) {
		if to, ok := name(e.To()); ok {
			out = append(out, Edge{From: m.ID, To: to, Weight: e.Weight()})
		}
	}
	for source, w := range g.Incoming(ord) {
		if from, ok := name(source); ok {
			in = append(in, Edge{From: from, To: m.ID, Weight: w})
		}
	}
	return out, in, nil
}
