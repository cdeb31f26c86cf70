package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
)

const spreadHops = 3

// spreadBlock is how many spreads are done in one way before they are done in the next: so many that what the one read is not in the
// processor's caches any more when the next comes to it. Of a small graph everything stays there anyway.
func (j *job) spreadBlock() int { return min(2000, max(20, j.Memories/50)) }

// everywhere are options with which a spread follows every edge that it can reach.
func (j *job) everywhere() spread.Options {
	o := spread.Defaults()
	o.Hops, o.FanOut, o.Threshold, o.Decay = spreadHops, min(j.Degree, spread.MaxFanOut), 1e-6, 0.9
	return o
}

// benchSpread measures spreads through the Go API and by a worker alone, and compares them with bare loops over the same arrays from
// the same seeds, block by block in turns. Of a graph without a node there is only the worker.
func benchSpread(ctx context.Context, j *job) error {
	if j.GraphOnly {
		g, err := loadGraph(j.generator(j.Memories))
		if err != nil {
			return err
		}
		return j.spreads(ctx, nil, g.Snapshot())
	}
	return with(ctx, j.nodeOptions(), func(r *running) error {
		if err := r.graph.Merge(ctx); err != nil {
			return err
		}
		if err := j.spreads(ctx, r, r.graph.Snapshot()); err != nil {
			return err
		}
		return j.concurrent(ctx, r)
	})
}

// spreadTimes are the times of the same spreads in three ways.
type spreadTimes struct{ api, worker, bare []time.Duration }

func (j *job) spreads(ctx context.Context, r *running, g *graph.Snapshot) error {
	random := rand.New(rand.NewPCG(j.Seed, 1))
	w, bare := new(spread.Worker), newBareFrontier(record.Ord(j.Memories+1))
	var t spreadTimes
	seeds := make([]record.Ord, j.spreadBlock())
	for begin := time.Now(); len(t.bare) < 3*len(seeds) || time.Since(begin) < j.Duration; {
		for i := range seeds {
			seeds[i] = record.Ord(1 + random.IntN(j.Memories))
		}
		if err := j.spreadAll(ctx, r, g, w, bare, seeds, &t); err != nil {
			return err
		}
	}
	return j.spreadRows(&t)
}

// spreadAll does the same spreads in all ways, the first of which changes from block to block: it warms the caches for the others.
func (j *job) spreadAll(ctx context.Context, r *running, g *graph.Snapshot, w *spread.Worker, bare *bareFrontier, seeds []record.Ord, t *spreadTimes) error {
	ways := []func() error{
		func() error {
			return timed(&t.worker, seeds, func(seed record.Ord) error {
				_, err := w.Spread(ctx, g, []spread.Seed{{Ord: seed, Activation: 1}}, j.everywhere())
				return err
			})
		},
		func() error {
			return timed(&t.bare, seeds, func(seed record.Ord) error {
				if bare.run(g, seed, spreadHops, j.Degree) == 0 {
					return fmt.Errorf("memory %d has no edges", seed)
				}
				return nil
			})
		},
	}
	if r != nil {
		ids := make(map[record.Ord]string, len(seeds))
		for _, seed := range seeds {
			ids[seed], _ = r.space.RecordID(seed)
		}
		ways = append(ways, func() error {
			return timed(&t.api, seeds, func(seed record.Ord) error {
				_, err := r.Spread(ctx, node.DefaultSpace, []node.Seed{{ID: ids[seed], Activation: 1}}, j.everywhere())
				return err
			})
		})
	}
	first := len(t.bare) / len(seeds)
	for k := range ways {
		if err := ways[(first+k)%len(ways)](); err != nil {
			return err
		}
	}
	return nil
}

// timed does something for each seed, and notes how long each took.
func timed(times *[]time.Duration, seeds []record.Ord, do func(record.Ord) error) error {
	for _, seed := range seeds {
		begin := time.Now()
		if err := do(seed); err != nil {
			return err
		}
		*times = append(*times, time.Since(begin))
	}
	return nil
}

func (j *job) spreadRows(t *spreadTimes) error {
	p50, p99, share := below(150), below(1000), atLeast(0.6)
	if j.Memories > 1_000_000 || j.Degree > 10 {
		p50, p99 = Bound{}, Bound{}
	}
	if j.Memories < 1_000_000 || j.Degree != 10 {
		share = Bound{} // what fits into the processor's caches says nothing about what does not
	}
	bare := float64(percentile(t.bare, 0.5))
	to := "a bare loop over the same arrays"
	rows := []Result{
		{Name: "worker_p50", Value: micros(percentile(t.worker, 0.5)), Unit: "us", Bound: p50},
		{Name: "worker_p99", Value: micros(percentile(t.worker, 0.99)), Unit: "us", Bound: p99},
		{Name: "worker_of_bare", Value: bare / float64(percentile(t.worker, 0.5)), Unit: "ratio", RatioTo: to, Bound: share},
		{Name: "bare_p50", Value: micros(percentile(t.bare, 0.5)), Unit: "us"},
	}
	if len(t.api) > 0 {
		rows = append(rows,
			Result{Name: "p50", Value: micros(percentile(t.api, 0.5)), Unit: "us", Bound: p50},
			Result{Name: "p99", Value: micros(percentile(t.api, 0.99)), Unit: "us", Bound: p99},
			Result{Name: "of_bare", Value: bare / float64(percentile(t.api, 0.5)), Unit: "ratio", RatioTo: to, Bound: share},
		)
	}
	return j.rows(rows...)
}
