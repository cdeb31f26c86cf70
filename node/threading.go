package node

import (
	"context"
	"sync"

	"github.com/engramd/engramd/node/cgroup"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/threads"
)

// ErrQueueFull says that too many spreads wait for a worker.
var ErrQueueFull = threads.ErrQueueFull

// workers are who does what takes long, each on its cores.
type workers struct {
	spreading     *threads.Pool[*spread.Worker]
	consolidation *threads.Pool[struct{}]
	threads       *threads.Threads
	lock          sync.Locker // of every spread; nil: none
}

func (w *workers) open(o Options) (err error) {
	w.lock = o.SpreadLock
	w.spreading, err = threads.NewPool(threads.PoolOptions[*spread.Worker]{
		Name: "spreading", Queue: o.SpreadQueue, New: func() *spread.Worker { return new(spread.Worker) },
	})
	if err != nil {
		return err
	}
	w.consolidation, err = threads.NewPool(threads.PoolOptions[struct{}]{Name: "consolidation", New: func() (none struct{}) { return none }})
	if err != nil {
		return err
	}
	w.threads, err = threads.New(threads.Options{
		Spreading: w.spreading, Consolidation: w.consolidation, CPULimit: cpuLimit, Memory: o.MemoryPolicy, Logger: o.Logger,
	})
	if err != nil {
		return err
	}
	return w.threads.Apply(o.Threading)
}

func cpuLimit() (float64, error) { return cgroup.CPULimit("/") }

// spread runs one spread on a worker.
func (w *workers) spread(ctx context.Context, g *graph.Snapshot, from []spread.Seed, o spread.Options) (r spread.Result, err error) {
	err = w.spreading.Do(ctx, func(worker *spread.Worker) error {
		if w.lock != nil {
			w.lock.Lock()
			defer w.lock.Unlock()
		}
		r, err = worker.Spread(ctx, g, from, o)
		return err
	})
	return r, err
}

// consolidate runs one part of consolidation on its cores.
func (w *workers) consolidate(ctx context.Context, part func() error) error {
	return w.consolidation.Do(ctx, func(struct{}) error { return part() })
}

func (w *workers) close() (err error) {
	if w.threads != nil {
		err = w.threads.Close()
	}
	if w.spreading != nil {
		w.spreading.Close()
	}
	if w.consolidation != nil {
		w.consolidation.Close()
	}
	return err
}

// Threading returns how many workers there are, and which cores they are kept to.
func (n *Node) Threading() (threads.Stats, error) { return n.workers.threads.Stats() }

// SetThreading changes workers and cores while everything runs. After an error the former settings are in force.
func (n *Node) SetThreading(s threads.Settings) error { return n.workers.threads.Apply(s) }
