package node

import (
	"context"
	"slices"

	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/metrics"
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
func (n *Node) Spread(ctx context.Context, space string, seeds []Seed, o spread.Options) (out Spreading, err error) {
	defer n.measure(metrics.Spreading)(&err)
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
	out = Spreading{Partial: r.Partial, Hops: r.Hops, Reached: r.Reached, Edges: r.Edges, Absent: absent}
	out.Hits = named(s, r.Hits)
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
	var redirect *Memory // that led here
	for range maxRedirects {
		ord, _, ok := s.Lookup(id)
		if !ok {
			return 0, false
		}
		m, err := n.head(s, ord)
		switch {
		case err != nil, redirect != nil && !consolidate.Leads(redirect, &m):
			return 0, false
		case m.Redirect == "":
			return ord, true
		}
		id, redirect = m.Redirect, &m
	}
	return 0, false
}

// head reads where a memory redirects to, and how old it is.
func (n *Node) head(s *store.Space, ord record.Ord) (m Memory, err error) {
	redirects := false
	err = s.Read(ord, func(v record.Value) error {
		m.ID, m.CreatedAt, redirects = string(v.ID()), v.CreatedAt(), v.Redirects()
		return nil
	})
	if err == nil && redirects {
		_, err = viewsOf(s).tiers.Get(ord, &m)
	}
	return m, err
}

// named names what a spread reached. What was deleted meanwhile, or somebody on its path, is left out.
func named(s *store.Space, hits []spread.Hit) []Activated {
	var ords []record.Ord
	for _, h := range hits {
		ords = append(ords, h.Path...)
	}
	ids := s.RecordIDs(make([]string, 0, len(ords)), ords)
	out := make([]Activated, 0, len(hits))
	for _, h := range hits {
		k := len(h.Path)
		path := ids[:k:k]
		ids = ids[k:]
		if !slices.Contains(path, "") {
			out = append(out, Activated{ID: path[k-1], Activation: h.Activation, Path: path})
		}
	}
	return out
}
