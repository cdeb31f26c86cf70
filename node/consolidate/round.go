package consolidate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
)

// A Space is what a round works on.
type Space struct {
	Store   *store.Space
	Graph   *graph.Graph
	Tiers   *tier.View
	Vectors *vector.View
	Changes *View
}

// Options of a round. Zero values are defaults, but Apply and Linking are needed.
type Options struct {
	// Apply makes changes durable, [store.Space.Apply] or something around it. An error ends the round.
	Apply func(context.Context, []store.Change) ([]store.Result, error)
	// Linking is held while weights are reckoned from what is there and set: nobody else sets any meanwhile.
	Linking sync.Locker
	// Slice runs one slice of the work, some milliseconds, and returns when the next one may begin. An error ends the round.
	Slice func(ctx context.Context, work func()) error
	// OnlyDue leaves out to look at all memories where nothing has changed or expired since the last round.
	OnlyDue bool
	// NearFrom is the cosine from which memories are told as near; 0.98. Above 1: none.
	NearFrom float64
	// NearCompares bounds how many vectors a round compares to find near ones; 20,000,000.
	NearCompares int
	// NearMost bounds how many are told; 1,000.
	NearMost int
	Now      func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Slice == nil {
		o.Slice = func(ctx context.Context, work func()) error {
			work()
			return ctx.Err()
		}
	}
	if o.NearFrom == 0 {
		o.NearFrom = 0.98
	}
	if o.NearCompares == 0 {
		o.NearCompares = 20_000_000
	}
	if o.NearMost == 0 {
		o.NearMost = 1000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A round is one round under way.
type round struct {
	Space
	opts    Options
	report  Report
	expires time.Time // the first of what stays
}

// Run does one round: it reports what it did, also if it ends early with an error. It waits until no other round of the space runs.
func Run(ctx context.Context, s Space, opts Options) (Report, error) {
	all, err := s.Changes.begin(ctx)
	if err != nil {
		return Report{}, err
	}
	all = all || !opts.OnlyDue
	r := round{Space: s, opts: opts.withDefaults()}
	r.report.Began = r.opts.Now()
	err = r.run(ctx, all)
	s.Changes.end(all && err == nil, r.expires)
	r.report.Took = r.opts.Now().Sub(r.report.Began)
	return r.report, err
}

func (r *round) run(ctx context.Context, all bool) error {
	if all {
		if err := r.passes(ctx); err != nil {
			return err
		}
	}
	if err := r.near(ctx); err != nil {
		return err
	}
	freed, err := r.Graph.Sweep(ctx)
	r.report.Freed = freed
	return err
}

func (r *round) passes(ctx context.Context) error {
	passes := 1 + int(r.Store.Limit()/perPass)
	for pass := range passes {
		if err := r.pass(ctx, pass, passes); err != nil {
			return err
		}
	}
	return nil
}

// apply makes changes durable and returns the error of each.
func (r *round) apply(ctx context.Context, changes []store.Change) ([]error, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	results, err := r.opts.Apply(ctx, changes)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(results))
	for i, result := range results {
		errs[i] = result.Err
	}
	return errs, nil
}

// raced tells that somebody else came between a look and what was done upon it: the next round looks again.
func raced(err error) bool {
	return errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrNotFound)
}

// A known is a memory as it was at a moment, without its vector.
type known struct {
	record.Memory
	ord    record.Ord
	vector uint64 // which write set the vector; zero: there is none
}

// read reads a memory; nil if it is gone or damaged.
func (r *round) read(ord record.Ord) (*known, error) {
	m := known{ord: ord}
	_, err := r.Tiers.Read(ord, func(v record.Value, plain []byte) error {
		m.vector = v.VectorVersion()
		return v.Decode(&m.Memory, plain)
	})
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, record.ErrCorrupt):
		return nil, nil
	case err != nil:
		return nil, err
	}
	m.Access, _ = r.Tiers.Access(ord)
	return &m, nil
}

// over tells whether the time of a memory is over.
func (r *round) over(expires time.Time) bool {
	return !expires.IsZero() && !r.opts.Now().Before(expires)
}
