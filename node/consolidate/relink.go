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

// relink moves all edges of a redirect. Each is where it is to be before it is not any more where it was.
func (r *round) relink(ctx context.Context, redirect, target *known) error {
	for {
		moved, more, err := r.relinkSome(ctx, redirect, target)
		r.report.Relinked += moved
		if err != nil || !more || moved == 0 {
			return err
		}
	}
}

func (r *round) relinkSome(ctx context.Context, redirect, target *known) (moved int, more bool, err error) {
	r.opts.Linking.Lock()
	defer r.opts.Linking.Unlock()
	if r.Store.Version(redirect.ord) != redirect.Version || r.Store.Version(target.ord) == 0 {
		return 0, false, nil
	}
	edges := r.edges(redirect.ord, target.ord, perGroup)
	var changes []store.Change
	for i := range edges {
		if edges[i].lacking {
			changes = append(changes, edges[i].link())
		}
		changes = append(changes, edges[i].unlink())
	}
	for i := range changes {
		changes[i].Expect = append(changes[i].Expect, store.Expected{Ord: redirect.ord, Version: redirect.Version})
	}
	errs, err := r.apply(ctx, changes)
	for i := range errs {
		if errs[i] == nil && changes[i].Kind == record.Unlink {
			moved++
		}
	}
	return moved, len(edges) == perGroup, err
}
