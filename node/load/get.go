package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// readBounds are the bounds of P99 in microseconds.
var readBounds = map[tier.Tier]Bound{tier.Hot: below(5), tier.Warm: below(50), tier.Cold: below(200)}

// sampled is one of how many memories is read; the others are moved about while that happens.
const sampled = 10

// benchGet measures reads of memories of every tier: alone, while the base is copied, and while everything else is swept from tier to tier.
func benchGet(ctx context.Context, j *job) error {
	return with(ctx, j.nodeOptions(), func(r *running) error {
		if err := settle(ctx, r); err != nil {
			return err
		}
		of := r.byTier()
		alone, err := j.reads(ctx, r, of)
		if err != nil {
			return err
		}
		for _, t := range tier.All {
			if len(of[t]) == 0 {
				return fmt.Errorf("no memory is %v", t)
			}
			if err := j.row(t.String()+"/p50", micros(percentile(alone[t], 0.5)), "us", Bound{}); err != nil {
				return err
			}
			if err := j.row(t.String()+"/p99", micros(percentile(alone[t], 0.99)), "us", readBounds[t]); err != nil {
				return err
			}
		}
		if err := j.readBeside(ctx, r, of, "beside_snapshot", r.copyOnAndOn); err != nil {
			return err
		}
		return j.readBeside(ctx, r, of, "beside_sweep", r.sweepOnAndOn)
	})
}

// byTier picks memories of every tier.
func (r *running) byTier() map[tier.Tier][]string {
	of := map[tier.Tier][]string{}
	for ord := record.Ord(0); ord < r.space.Limit(); ord += sampled {
		t, ok := r.tiers.Tier(ord)
		if id, there := r.space.RecordID(ord); ok && there {
			of[t] = append(of[t], id)
		}
	}
	return of
}

// reads measures reads of each tier, after one of each memory that makes it warm, or hot, in fact.
func (j *job) reads(ctx context.Context, r *running, of map[tier.Tier][]string) (map[tier.Tier][]time.Duration, error) {
	times := map[tier.Tier][]time.Duration{}
	for _, ids := range of {
		for _, id := range ids {
			if _, err := r.Get(ctx, node.DefaultSpace, id); err != nil {
				return nil, err
			}
		}
	}
	random := rand.New(rand.NewPCG(j.Seed, 3))
	for begin := time.Now(); len(times[tier.Hot]) < 1000 || time.Since(begin) < j.Duration; {
		for t, ids := range of {
			for range 50 {
				id := ids[random.IntN(len(ids))]
				at := time.Now()
				_, err := r.Get(ctx, node.DefaultSpace, id)
				times[t] = append(times[t], time.Since(at))
				if err != nil {
					return nil, err
				}
			}
		}
	}
	return times, nil
}

// readBeside compares reads with and without something that goes on beside them, in turns.
func (j *job) readBeside(ctx context.Context, r *running, of map[tier.Tier][]string, name string, goOn func(context.Context) error) error {
	alone, err := j.reads(ctx, r, of)
	if err != nil {
		return err
	}
	besideCtx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- goOn(besideCtx) }()
	beside, err := j.reads(ctx, r, of)
	stop()
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	for _, t := range tier.All {
		share := float64(percentile(beside[t], 0.99)) / float64(percentile(alone[t], 0.99))
		if err := j.ratio(fmt.Sprintf("%v/%s", t, name), share, "P99 alone", below(2)); err != nil {
			return err
		}
	}
	return nil
}

// copyOnAndOn checkpoints and copies the base until ctx ends, as snapshots do.
func (r *running) copyOnAndOn(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.Store().Checkpoint(ctx); err != nil {
			return unless(ctx, err)
		}
		if _, err := r.space.CopyBase(until{ctx}, nil); err != nil {
			return unless(ctx, err)
		}
	}
	return nil
}

// sweepOnAndOn sweeps, and moves what is warm and not read to the cold tier, until ctx ends.
func (r *running) sweepOnAndOn(ctx context.Context) error {
	const group = 2000
	var ords []record.Ord
	for ord := record.Ord(1); ctx.Err() == nil; ord++ {
		if ord >= r.space.Limit() {
			ord = 1
			r.Tiers().EvictNow()
		}
		if t, ok := r.tiers.Tier(ord); ok && t == tier.Warm && ord%sampled != 0 {
			ords = append(ords, ord)
		}
		if len(ords) == group {
			if _, err := r.tiers.Evict(ctx, ords, tier.Cold); err != nil {
				return unless(ctx, err)
			}
			ords = ords[:0]
		}
	}
	return nil
}

// unless returns err unless ctx has ended, which explains it.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// until takes what is written until a context ends.
type until struct{ ctx context.Context }

func (u until) Write(b []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return io.Discard.Write(b)
}
