package node

import (
	"context"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/store"
)

// A Seed is a memory where a spread begins.
type Seed struct {
	ID         string
	Activation float64 // above 0, to 1
}

// An Activated is a memory that a spread reached.
type Activated struct {
	ID         string
	Activation float64  // above 0, to 1
	Path       []string // from a seed to ID, both included: len(Path)-1 hops
}

// A Spreading is what a spread reached, strongest first.
type Spreading struct {
	Hits    []Activated
	Partial bool     // the deadline came first: what whole hops brought until then
	Hops    int      // done; fewer than asked for also if nothing was left to send
	Reached int      // memories that are active, hits or not
	Edges   int      // followed
	Absent  []string // seeds that are not there, which were ignored
}

// Spread lets activation spread from seeds over the edges of a space. It writes nothing and counts no access. If none of the seeds is there
// that is ErrNotFound. When the deadline of ctx passes it returns what there is, marked partial.
func (n *Node) Spread(ctx context.Context, space string, seeds []Seed, o spread.Options) (Spreading, error) {
	defer n.reading()()
	s, err := n.store.Space(space)
	if err != nil {
		return Spreading{}, err
	}
	if err := s.Err(); err != nil {
		return Spreading{}, err
	}
	from, absent := n.sow(s, seeds)
	if len(seeds) > 0 && len(from) == 0 {
		return Spreading{}, notFound(absent[0])
	}
	r, err := n.workers.spread(ctx, viewsOf(s).graph.Snapshot(), from, o)
	if err != nil {
		return Spreading{}, err
	}
	out := Spreading{Partial: r.Partial, Hops: r.Hops, Reached: r.Reached, Edges: r.Edges, Absent: absent}
	out.Hits = make([]Activated, 0, len(r.Hits))
	for _, h := range r.Hits {
		if a, ok := n.activated(s, h); ok {
			out.Hits = append(out.Hits, a)
		}
	}
	return out, nil
}

// sow resolves seeds. A memory that was merged into another is seeded where it went.
func (n *Node) sow(s *store.Space, seeds []Seed) (from []spread.Seed, absent []string) {
	for _, seed := range seeds {
		ord, ok := n.resolve(s, seed.ID)
		if !ok {
			absent = append(absent, seed.ID)
			continue
		}
		from = append(from, spread.Seed{Ord: ord, Activation: seed.Activation})
	}
	return from, absent
}

// resolve returns the ordinal of id, or of the memory that took its place.
func (n *Node) resolve(s *store.Space, id string) (record.Ord, bool) {
	for range maxRedirects {
		ord, _, ok := s.Lookup(id)
		if !ok {
			return 0, false
		}
		next, err := n.redirect(s, ord)
		if err != nil {
			return 0, false
		}
		if next == "" {
			return ord, true
		}
		id = next
	}
	return 0, false
}

// redirect returns the id of the memory that took the place of ord, or nothing.
func (n *Node) redirect(s *store.Space, ord record.Ord) (string, error) {
	redirects := false
	err := s.Read(ord, func(v record.Value) error {
		redirects = v.Redirects()
		return nil
	})
	if err != nil || !redirects {
		return "", err
	}
	var m Memory
	_, err = viewsOf(s).tiers.Get(ord, &m)
	return m.Redirect, err
}

// activated names what a spread reached; false if it was deleted meanwhile.
func (n *Node) activated(s *store.Space, h spread.Hit) (Activated, bool) {
	a := Activated{Activation: h.Activation, Path: make([]string, len(h.Path))}
	for i, ord := range h.Path {
		id, ok := s.RecordID(ord)
		if !ok {
			return a, false
		}
		a.Path[i] = id
	}
	a.ID = a.Path[len(a.Path)-1]
	return a, true
}
