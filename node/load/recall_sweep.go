package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/tier"
)

// sweepRounds is how often everything is made warm and swept again. A million memories take so long that once is enough.
const sweepRounds = 3

// benchRecall measures recalls alone, and while a sweep makes every memory cold, from its begin to its end: by one caller, and by as many
// as there are cores on most machines that this runs on, so that the sweep takes time from them.
func benchRecall(ctx context.Context, j *job) error {
	return with(ctx, j.nodeOptions(), func(r *running) error {
		if err := r.graph.Merge(ctx); err != nil {
			return err
		}
		for _, callers := range []int{1, 2} {
			if err := j.recallBesideSweeps(ctx, r, callers); err != nil {
				return err
			}
		}
		return r.warmAll(ctx)
	})
}

func (j *job) recallBesideSweeps(ctx context.Context, r *running, callers int) error {
	var alone, beside latencies
	var swept int64
	var took time.Duration
	rounds := sweepRounds
	if j.Memories >= 1_000_000 {
		rounds = 1
	}
	for range rounds {
		if err := r.warmAll(ctx); err != nil {
			return err
		}
		if err := j.recalls(ctx, r, callers, &alone, forTime(j.Duration)); err != nil {
			return err
		}
		began := time.Now()
		n, err := r.chillAll()
		if err != nil {
			return err
		}
		swept += n
		if err := j.recalls(ctx, r, callers, &beside, func() bool { return !r.Tiers().Stats().Migrating }); err != nil {
			return err
		}
		took += time.Since(began)
	}
	if swept == 0 {
		return errors.New("nothing was swept")
	}
	name := fmt.Sprintf("callers_%d/", callers)
	return j.rows(
		Result{Name: name + "p50", Value: micros(percentile(alone.net, 0.5)), Unit: "us"},
		Result{Name: name + "p99", Value: micros(percentile(alone.net, 0.99)), Unit: "us"},
		Result{Name: name + "beside_sweep_p50", Value: micros(percentile(beside.net, 0.5)), Unit: "us"},
		Result{Name: name + "beside_sweep_p99", Value: micros(percentile(beside.net, 0.99)), Unit: "us"},
		Result{Name: name + "beside_sweep", Value: share(beside.net, alone.net), Unit: "ratio", RatioTo: "P99 alone", Bound: below(2)},
		Result{Name: name + "beside_sweep_with_waits_for_a_core", Value: share(beside.gross, alone.gross), Unit: "ratio", RatioTo: "P99 alone"},
		Result{Name: name + "swept", Value: float64(swept) / float64(rounds), Unit: "memories"},
		Result{Name: name + "sweep", Value: took.Seconds() / float64(rounds), Unit: "s"},
	)
}

// latencies are how long recalls took by the clock, and without the time that their thread had no core.
type latencies struct{ gross, net []time.Duration }

func share(of, to []time.Duration) float64 {
	return float64(percentile(of, 0.99)) / float64(percentile(to, 0.99))
}

// warmAll lets every memory be warm or hot, and waits until it is.
func (r *running) warmAll(ctx context.Context) error {
	if err := r.bounds(0, 1); err != nil {
		return err
	}
	return r.await(ctx, func(s tier.Stats) bool { return s.Distribution.Cold == 0 && !s.Migrating })
}

// chillAll begins a sweep of everything, and returns how many memories go to the cold tier.
func (r *running) chillAll() (int64, error) {
	if err := r.bounds(1, 0); err != nil {
		return 0, err
	}
	return r.Tiers().EvictNow().WarmToCold, nil
}

// bounds sets the thresholds and the shares of both tiers. The node looks at them once a second.
func (r *running) bounds(threshold, share float64) error {
	every := time.Second
	_, err := r.Tiers().Change(tier.Change{
		HotThreshold: &threshold, WarmThreshold: &threshold, HotMaxRatio: &share, WarmMaxRatio: &share, HotEvery: &every, WarmEvery: &every,
	})
	return err
}

// await waits for the tiers.
func (r *running) await(ctx context.Context, holds func(tier.Stats) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(r.Tiers().Stats()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("memories did not get to their tiers: %w", context.Cause(ctx))
		}
	}
	return nil
}

// forTime ends after a time.
func forTime(d time.Duration) func() bool {
	begin := time.Now()
	return func() bool { return time.Since(begin) >= d }
}

// recalls remembers from random seeds until it is over, and notes how long each recall took.
func (j *job) recalls(ctx context.Context, r *running, callers int, to *latencies, over func() bool) error {
	of, errs := make([]latencies, callers), make([]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() { errs[c] = j.recallsOf(ctx, r, c, &of[c], over) })
	}
	wg.Wait()
	for _, l := range of {
		to.gross, to.net = append(to.gross, l.gross...), append(to.net, l.net...)
	}
	return errors.Join(errs...)
}

func (j *job) recallsOf(ctx context.Context, r *running, caller int, to *latencies, over func() bool) error {
	watch := newStopwatch()
	defer watch.close()
	random := rand.New(rand.NewPCG(j.Seed, uint64(200+caller)))
	o := spread.Options{Hops: spreadHops, FanOut: min(j.Degree, spread.MaxFanOut), Threshold: 0.001, Decay: 0.7, Limit: 20}
	for len(to.net) == 0 || !over() {
		for range 20 { // asking whether it is over takes time, too
			id, _ := r.space.RecordID(record.Ord(1 + random.IntN(j.Memories)))
			started := watch.start()
			_, err := r.Recall(ctx, node.DefaultSpace, node.RecallQuery{Seeds: []node.Seed{{ID: id, Activation: 1}}, Spread: o, Limit: o.Limit})
			took, waited, stopped := watch.stop()
			if err := errors.Join(started, err, stopped); err != nil {
				return err
			}
			to.gross, to.net = append(to.gross, took), append(to.net, took-waited)
		}
	}
	return nil
}
