package consolidate

import (
	"context"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A moving is an edge of a redirect, on its way to the memory that it redirects to.
type moving struct {
	from, to record.Ord // where it is to be
	wasFrom  record.Ord // where it is
	wasTo    record.Ord
	weight   record.Weight
	lacking  bool // it is not there yet, or weaker
	other    record.Ord
	version  uint64 // of the memory at the other end: an ordinal may be given to another one
}

// edges returns up to limit edges that leave from or lead to a redirect. Linking is locked.
func (r *round) edges(redirect, target record.Ord, limit int) (out []moving) {
	g := r.Graph.Snapshot()
	add := func(m moving) bool {
		m.version = r.Store.Version(m.other)
		if m.version != 0 && m.other != target {
			is, ok := g.Weight(m.from, m.to)
			m.lacking = !ok || size(is) < size(m.weight)
		}
		out = append(out, m)
		return len(out) < limit
	}
	for _, e := range g.Edges(redirect) {
		if !add(moving{from: target, to: e.To(), wasFrom: redirect, wasTo: e.To(), weight: e.Weight(), other: e.To()}) {
			return out
		}
	}
	for from, w := range g.Incoming(redirect) {
		if !add(moving{from: from, to: target, wasFrom: from, wasTo: redirect, weight: w, other: from}) {
			return out
		}
	}
	return out
}

func size(w record.Weight) record.Weight { return max(w, -w) }

// link makes the edge where it is to be.
func (m *moving) link() store.Change {
	return store.Change{
		Kind: record.Link, Ord: m.from, To: m.to, Weight: m.weight, Expect: []store.Expected{{Ord: m.other, Version: m.version}},
	}
}

// unlink removes it from where it was.
func (m *moving) unlink() store.Change {
	return store.Change{Kind: record.Unlink, Ord: m.wasFrom, To: m.wasTo, With: m.lacking}
}

// relink moves all edges of redirects to target. Each is where it is to be before it is not any more where it was.
func (r *round) relink(ctx context.Context, redirects []*known, target *known) error {
	for len(redirects) > 0 {
		moved, left, err := r.relinkSome(ctx, redirects, target)
		r.report.Relinked += moved
		if err != nil || moved == 0 && len(left) == len(redirects) {
			return err
		}
		redirects = left
	}
	return nil
}

// relinkSome does one group of relink, and returns the redirects that may still have edges.
func (r *round) relinkSome(ctx context.Context, redirects []*known, target *known) (moved int, left []*known, err error) {
	r.opts.Linking.Lock()
	defer r.opts.Linking.Unlock()
	if r.Store.Version(target.ord) == 0 {
		return 0, nil, nil
	}
	var changes []store.Change
	set := map[[2]record.Ord]bool{} // the edges that the group sets
	for i, redirect := range redirects {
		if len(changes) >= perGroup {
			left = append(left, redirects[i:]...)
			break
		}
		if r.Store.Version(redirect.ord) != redirect.Version {
			continue
		}
		edges := r.edges(redirect.ord, target.ord, perGroup)
		more := len(edges) == perGroup
		for _, e := range edges {
			edge := [2]record.Ord{e.from, e.to}
			if set[edge] {
				more = true // when it is known what the edge is then
				continue
			}
			expect := store.Expected{Ord: redirect.ord, Version: redirect.Version}
			if e.lacking {
				set[edge] = true
				link := e.link()
				link.Expect = append(link.Expect, expect)
				changes = append(changes, link)
			}
			unlink := e.unlink()
			unlink.Expect = append(unlink.Expect, expect)
			changes = append(changes, unlink)
		}
		if more {
			left = append(left, redirect)
		}
	}
	errs, err := r.apply(ctx, changes)
	for i := range errs {
		if errs[i] == nil && changes[i].Kind == record.Unlink {
			moved++
		}
	}
	return moved, left, err
}
