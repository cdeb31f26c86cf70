package node

import (
	"context"
	"errors"
	"maps"
	"runtime"
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
	// Last is what the last round of each space did, by name; it tells what is near.
	Last map[string]consolidate.Report
}

// ConsolidationStats tells what consolidation did, and how far behind it is.
func (n *Node) ConsolidationStats() ConsolidationStats {
	n.consolidation.mu.Lock()
	st := n.consolidation.stats
	st.Last = maps.Clone(st.Last)
	n.consolidation.mu.Unlock()
	for _, info := range n.store.Spaces() {
		if s, err := n.store.Space(info.Name); err == nil && s.Err() == nil {
			st.LagSeconds = max(st.LagSeconds, viewsOf(s).changes.Lag().Seconds())
		}
	}
	return st
}

// Consolidate does one round of consolidation of a space and returns what it did, also where it could not do all. It gives way to everything
// else. In maintenance mode it is refused.
func (n *Node) Consolidate(ctx context.Context, space string) (r consolidate.Report, err error) {
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
		Slice: n.slice, Linking: &n.linking, Now: n.opts.Now,
	})
	n.consolidation.note(space, r, err)
	return r, err
}

func (c *consolidation) note(space string, r consolidate.Report, err error) {
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
		st.Last = map[string]consolidate.Report{}
	}
	st.Last[space] = r
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
	if n.opts.ConsolidateEvery < 0 {
		return nil
	}
	tick := time.NewTicker(n.opts.ConsolidateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n.consolidateAll(ctx)
	}
}

func (n *Node) consolidateAll(ctx context.Context) {
	for _, info := range n.store.Spaces() {
		s, err := n.store.Space(info.Name)
		if err != nil || s.Err() != nil || !viewsOf(s).changes.Due() {
			continue
		}
		r, err := n.Consolidate(ctx, info.Name)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrMaintenance), errors.Is(err, ErrNoSpace), errors.Is(err, ErrClosed):
		case err != nil:
			n.opts.Logger.Warn("a round of consolidation did not come to its end", "space", info.Name, "error", err)
		case r.Expired+r.Merged+r.Dangling > 0:
			n.opts.Logger.Info("a space was consolidated", "space", info.Name, "expired", r.Expired, "merged", r.Merged, "dangling", r.Dangling,
				"relinked", r.Relinked, "took", r.Took)
		}
	}
}
