package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/threads"
)

// pinCallers is how many callers spread at once: some wait for a worker at any time.
const pinCallers = 8

// pinSlice is so short that what else the machine does is the same in both of a pair.
const pinSlice = 200 * time.Millisecond

// A layout is one way to give cores to the workers, and the one with as many workers that it is compared with.
type layout struct {
	name     string
	to       string
	was, is  threads.Settings
	possible bool
}

// layouts are the guide's: workers on cores of their own, and the API kept off them.
func layouts(cores threads.CPUs) []layout {
	n := len(cores)
	half := max(1, n/2)
	return []layout{
		{
			name: "pinned", to: "as many workers, not pinned", possible: true,
			was: threads.Settings{SpreadingWorkers: n},
			is:  threads.Settings{SpreadingCores: cores, PinThreads: true},
		},
		{
			name: "isolated", to: "as many workers, not pinned", possible: n > 1,
			was: threads.Settings{SpreadingWorkers: n - half},
			is:  threads.Settings{SpreadingCores: cores[half:], APICores: cores[:half], PinThreads: true, CPUIsolation: true},
		},
	}
}

// benchPinning compares what spreads are done a second by workers that are kept to their cores with as many that are not, in pairs of
// short slices: small spreads over three hops, and large ones that reach most memories.
func benchPinning(ctx context.Context, j *job) error {
	cores, err := threads.Allowed()
	if err != nil {
		return err
	}
	return with(ctx, j.nodeOptions(), func(r *running) error {
		if err := r.graph.Merge(ctx); err != nil {
			return err
		}
		large := j.everywhere()
		large.Hops = 6
		for _, size := range []struct {
			name string
			o    spread.Options
		}{{"small", j.everywhere()}, {"large", large}} {
			for _, l := range layouts(cores) {
				if !l.possible {
					continue
				}
				c, err := j.comparePinning(ctx, r, l, size.o)
				if err != nil {
					return err
				}
				if err := j.compared(size.name+"/"+l.name, l.to, c, Bound{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// comparePinning takes turns: the first of a pair is one way or the other.
func (j *job) comparePinning(ctx context.Context, r *running, l layout, o spread.Options) (Comparison, error) {
	var pairs []Pair
	for begin := time.Now(); len(pairs) < 4 || time.Since(begin) < 2*j.Duration; {
		var rates [2]float64
		ways := []threads.Settings{l.was, l.is}
		for i := range ways {
			k := (i + len(pairs)) % len(ways)
			if err := r.SetThreading(ways[k]); err != nil {
				return Comparison{}, err
			}
			var err error
			if rates[k], err = j.spreadRate(ctx, r, o); err != nil {
				return Comparison{}, err
			}
		}
		pairs = append(pairs, Pair{rates[0], rates[1]})
	}
	return Compare(pairs, j.Seed), r.SetThreading(threads.Settings{})
}

// spreadRate is how many spreads all callers get a second.
func (j *job) spreadRate(ctx context.Context, r *running, o spread.Options) (float64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, pinCallers)
	begin := time.Now()
	for c := range pinCallers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(j.Seed, uint64(300+c)))
			for errs[c] == nil && time.Since(begin) < min(pinSlice, j.Duration) {
				id, _ := r.space.RecordID(record.Ord(1 + random.IntN(j.Memories)))
				_, errs[c] = r.Spread(ctx, node.DefaultSpace, []node.Seed{{ID: id, Activation: 1}}, o)
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
}
