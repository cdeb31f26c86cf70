package node

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/store"
)

// consolidation is what was consolidated since the start.
type consolidation struct {
	mu    sync.Mutex
	stats ConsolidationStats
}

// A ConsolidationStats tells what consolidation did since the start, and how far behind it is.
type ConsolidationStats struct {
	// LagSeconds is for how long the oldest change waits that no complete round has seen, in any space; zero if there is none. What was there when the
	// node started counts as changed then, and a memory that expires as changed when it does.
	LagSeconds float64
	Rounds     uint64 // that came to their end
	Failed     uint64 // that did not
	Expired    uint64
	Dangling   uint64
	Merged     uint64
	Relinked   uint64
	// Last is what the last round of each space did, by name.
	Last map[string]consolidate.Report
	// Near is what rounds found nearly the same in each space, by name: the last 1,000. A round looks at a part of a large space only.
	Near map[string][]consolidate.Near
}

// ConsolidationStats tells what consolidation did, and how far behind it is.
func (n *Node) ConsolidationStats() ConsolidationStats {
	spaces := n.store.Spaces()
	st := n.consolidation.read(func(name string) bool {
		return slices.ContainsFunc(spaces, func(i store.SpaceInfo) bool { return i.Name == name })
	})
	for _, info := range spaces {
		if s, err := n.store.Space(info.Name); err == nil && s.Err() == nil {
			st.LagSeconds = max(st.LagSeconds, viewsOf(s).changes.Lag().Seconds())
		}
	}
	return st
}

// Consolidate does one round of consolidation of a space and returns what it did, also where it could not do all. It gives way to everything
// else. In maintenance mode it is refused.
func (n *Node) Consolidate(ctx context.Context, space string) (consolidate.Report, error) {
	return n.consolidate(ctx, space, false)
}

func (n *Node) consolidate(ctx context.Context, space string, onlyDue bool) (r consolidate.Report, err error) {
	defer n.measure(metrics.Consolidation)(&err)
	if err := n.maintenance.refusal(); err != nil {
		return consolidate.Report{}, err
	}
	s, err := n.store.Space(space)
	if err != nil {
		return consolidate.Report{}, err
	}
	if err := s.Err(); err != nil {
		return consolidate.Report{}, err
	}
	v := viewsOf(s)
	r, err = consolidate.Run(ctx, consolidate.Space{Store: s, Graph: v.graph, Tiers: v.tiers, Vectors: v.vectors, Changes: v.changes}, consolidate.Options{
		Apply: func(ctx context.Context, changes []store.Change) ([]store.Result, error) {
			return n.applyIn(ctx, s, changes)
		},
		Slice: n.slice, Linking: &n.linking, OnlyDue: onlyDue, Now: n.opts.Now,
	})
	n.consolidation.note(s, space, r, err)
	return r, err
}

// read returns the books, and forgets what is about spaces that are not there.
func (c *consolidation) read(there func(space string) bool) ConsolidationStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.stats.Last, func(space string, _ consolidate.Report) bool { return !there(space) })
	maps.DeleteFunc(c.stats.Near, func(space string, _ []consolidate.Near) bool { return !there(space) })
	st := c.stats
	st.Last, st.Near = maps.Clone(st.Last), maps.Clone(st.Near)
	return st
}

// maxNear is how many near ones of a space are kept.
const maxNear = 1000

// nearNow adds what was found to what was known, and leaves out what is not there any more.
func nearNow(s *store.Space, known, found []consolidate.Near) []consolidate.Near {
	pair := func(n consolidate.Near) [2]string { return [2]string{n.ID, n.Other} }
	seen := map[[2]string]bool{}
	for _, n := range found {
		seen[pair(n)] = true
	}
	var out []consolidate.Near
	for _, n := range known {
		_, _, a := s.Lookup(n.ID)
		_, _, b := s.Lookup(n.Other)
		if a && b && !seen[pair(n)] {
			out = append(out, n)
		}
	}
	out = append(out, found...)
	return out[max(0, len(out)-maxNear):]
}

func (c *consolidation) note(s *store.Space, space string, r consolidate.Report, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := &c.stats
	if err != nil {
		st.Failed++
	} else {
		st.Rounds++
	}
	st.Expired += uint64(r.Expired)
	st.Dangling += uint64(r.Dangling)
	st.Merged += uint64(r.Merged)
	st.Relinked += uint64(r.Relinked)
	if st.Last == nil {
		st.Last, st.Near = map[string]consolidate.Report{}, map[string][]consolidate.Near{}
	}
	st.Last[space], st.Near[space] = r, nearNow(s, st.Near[space], r.Near)
}

// applyIn applies changes that nobody asked for: they are writes like others.
func (n *Node) applyIn(ctx context.Context, s *store.Space, changes []store.Change) ([]store.Result, error) {
	done, err := n.writing()
	if err != nil {
		return nil, err
	}
	defer done()
	return s.Apply(ctx, changes)
}

// slice does a slice of consolidation on its cores, and gives way to what others do: then it rests four times as long as it worked.
func (n *Node) slice(ctx context.Context, work func()) error {
	var took time.Duration
	err := n.workers.consolidate(ctx, func() error {
		began := time.Now()
		work()
		took = time.Since(began)
		return nil
	})
	if err != nil {
		return err
	}
	if reads, writes := n.InFlight(); reads+writes == 0 {
		runtime.Gosched()
		return ctx.Err()
	}
	rest := time.NewTimer(min(4*took, maxRest))
	defer rest.Stop()
	select {
	case <-rest.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxRest bounds how long consolidation gives way at once.
const maxRest = 50 * time.Millisecond

// runConsolidation consolidates every space in which something has changed, once a ConsolidateEvery, until ctx ends.
func (n *Node) runConsolidation(ctx context.Context) error {
	for n.rounds.wait(ctx) {
		n.consolidateAll(ctx)
	}
	return nil
}

// consolidateAll consolidates as many spaces at once as there are workers for it: a round of one space has no use for two.
func (n *Node) consolidateAll(ctx context.Context) {
	spaces := make(chan string)
	var rounds sync.WaitGroup
	for range n.workers.consolidation.Stats().Workers {
		rounds.Go(func() {
			for space := range spaces {
				n.consolidateDue(ctx, space)
			}
		})
	}
	for _, info := range n.store.Spaces() {
		s, err := n.store.Space(info.Name)
		if err != nil || s.Err() != nil || !viewsOf(s).changes.Due() {
			continue
		}
		select {
		case spaces <- info.Name:
		case <-ctx.Done():
		}
	}
	close(spaces)
	rounds.Wait()
}

func (n *Node) consolidateDue(ctx context.Context, space string) {
	r, err := n.consolidate(ctx, space, true)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, ErrMaintenance), errors.Is(err, ErrNoSpace), errors.Is(err, ErrClosed):
	case err != nil:
		n.opts.Logger.Warn("a round of consolidation did not come to its end", "space", space, "error", err)
	case r.Expired+r.Merged+r.Dangling > 0:
		n.opts.Logger.Info("a space was consolidated", "space", space, "expired", r.Expired, "merged", r.Merged, "dangling", r.Dangling,
			"relinked", r.Relinked, "took", r.Took)
	}
}
