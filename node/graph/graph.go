package graph

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A space is what the graph needs of its [store.Space]: who is alive and who is dead when loading ends, and
// a way to unlink dead ends and free ordinals.
type space interface {
	Version(record.Ord) uint64
	Limit() record.Ord
	// Dead returns the ordinals that were deleted and not freed. It is called in Loaded only.
	Dead() []record.Ord
	Apply(context.Context, []store.Change) ([]store.Result, error)
}

var _ store.View = (*Graph)(nil)

// Options of a graph. Zero values are defaults.
type Options struct {
	// Pace is the least time from the end of one round of merging and sweeping to the next; 100 ms. It lets
	// deletions gather.
	Pace   time.Duration
	Logger *slog.Logger
}

// A Graph holds the edges of a space. Readers use [Graph.Snapshot]; all else belongs to the store and to
// [Graph.Run].
type Graph struct {
	space   space
	opts    Options
	current atomic.Pointer[Snapshot]
	wake    chan struct{} // there is something to merge or to sweep
	closed  chan struct{}
	closing sync.Once
	merges  atomic.Uint64
	merging sync.Mutex // one merge or sweep at a time

	mu      sync.Mutex // whoever publishes
	loading *loading   // nil once loaded
	batches uint64
	scratch scratch
}

// New returns an empty graph of a space, to be loaded.
func New(of space, opts Options) *Graph {
	if opts.Pace == 0 {
		opts.Pace = 100 * time.Millisecond
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = opts.Logger.With("component", "graph")
	g := &Graph{space: of, opts: opts, wake: make(chan struct{}, 1), closed: make(chan struct{}), loading: &loading{}}
	g.current.Store(&Snapshot{})
	return g
}

// Snapshot returns the graph as it is now. It costs nothing and waits for nobody.
func (g *Graph) Snapshot() *Snapshot { return g.current.Load() }

// Checkpoint implements [store.View]. The graph has no files: its edges are in the base.
func (g *Graph) Checkpoint(uint64) error { return nil }

// Close implements [store.View]. It ends Run; snapshots stay readable.
func (g *Graph) Close() error {
	g.closing.Do(func() { close(g.closed) })
	return nil
}

// signal tells Run that there is work.
func (g *Graph) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}
