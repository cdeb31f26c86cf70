package graph

import (
	"context"
	"time"
)

// The pace of a sweep that fails doubles up to this.
const maxPace = 30 * time.Second

// Run merges chunks whose delta has grown and sweeps what was deleted, until ctx ends or the graph is closed. What the store refuses
// (a full disk, say) is tried again, more and more slowly.
func (g *Graph) Run(ctx context.Context) error {
	pace := g.opts.Pace
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.closed:
			return nil
		case <-g.wake:
		}
		if err := g.round(ctx); err != nil && ctx.Err() == nil {
			pace = min(2*pace, maxPace)
			g.opts.Logger.Warn("dead ends are still there", "error", err, "retry_in", pace)
			g.signal()
		} else {
			pace = g.opts.Pace
		}
		if !g.pause(ctx, pace) {
			return nil
		}
	}
}

func (g *Graph) round(ctx context.Context) error {
	if err := g.merge(ctx, func(c *chunk) (bool, bool) { return c.outDue(), c.inDue() }); err != nil {
		return err
	}
	if g.Snapshot().dead == 0 {
		return nil
	}
	_, err := g.Sweep(ctx)
	return err
}

// pause waits for d; false if there is nothing to wait for any more.
func (g *Graph) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-g.closed:
		return false
	case <-timer.C:
		return true
	}
}
