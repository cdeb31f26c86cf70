package node

import (
	"context"
	"errors"
	"sync"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/spread"
)

// spreads are the workers: as many spreads run at once, and the others wait in order.
type spreads struct {
	mu      sync.Mutex
	free    []*spread.Worker
	workers int
	busy    int
	waiting []chan struct{}
}

// maxWaiting is how many spreads may wait for a worker.
const maxWaiting = 10_000

// ErrQueueFull says that too many spreads wait for a worker.
var ErrQueueFull = errors.New("too many spreads wait for a worker: try again later, or raise spreading workers")

// spread runs one spread on a worker.
func (p *spreads) spread(ctx context.Context, g *graph.Snapshot, from []spread.Seed, o spread.Options) (spread.Result, error) {
	w, err := p.take(ctx)
	if err != nil {
		return spread.Result{}, err
	}
	defer p.give(w)
	return w.Spread(ctx, g, from, o)
}

// take waits for a worker.
func (p *spreads) take(ctx context.Context) (*spread.Worker, error) {
	p.mu.Lock()
	if p.busy < p.workers && len(p.waiting) == 0 {
		defer p.mu.Unlock()
		return p.worker(), nil
	}
	if len(p.waiting) >= maxWaiting {
		p.mu.Unlock()
		return nil, ErrQueueFull
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn: // busy counts us already
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		return p.worker(), nil
	case <-ctx.Done():
		p.leave(turn)
		return nil, context.Cause(ctx)
	}
}

// worker returns a worker that does nothing. p is locked.
func (p *spreads) worker() *spread.Worker {
	p.busy++
	if k := len(p.free); k > 0 {
		w := p.free[k-1]
		p.free = p.free[:k-1]
		return w
	}
	return new(spread.Worker)
}

func (p *spreads) leave(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiting {
		if other == turn {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
	p.busy-- // the turn had come at the same time
	p.next()
}

func (p *spreads) give(w *spread.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if len(p.free) < p.workers {
		p.free = append(p.free, w)
	}
	p.next()
}

// next lets go whoever may go. p is locked.
func (p *spreads) next() {
	for p.busy < p.workers && len(p.waiting) > 0 {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.busy++
	}
}

func (p *spreads) stats() SpreadStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return SpreadStats{Workers: p.workers, Busy: p.busy, Waiting: len(p.waiting)}
}
