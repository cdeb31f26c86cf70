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

// follow makes changes of edges mean the memories that took the place of those they name: whoever asks for the edges by the same names is
// told of those. What consolidation has not moved yet goes, or it would come on top of what is set. n.linking is held.
func (n *Node) follow(s *store.Space, changes []store.Change) []store.Change {
	if !viewsOf(s).changes.Redirects() {
		return changes
	}
	for i := range changes {
		c := &changes[i]
		was := store.Change{Kind: record.Unlink, ID: c.ID, ToID: c.ToID}
		c.ID, c.ToID = n.nameNow(s, c.ID), n.nameNow(s, c.ToID)
		if c.ID != was.ID || c.ToID != was.ToID {
			changes = append(changes, was)
		}
	}
	return changes
}

// nameNow returns the id of the memory to which an id leads; the same id where there is none.
func (n *Node) nameNow(s *store.Space, id string) string {
	ord, ok := n.resolve(s, id)
	if !ok {
		return id
	}
	if now, ok := s.RecordID(ord); ok {
		return now
	}
	return id
}
