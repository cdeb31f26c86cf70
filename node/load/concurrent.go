package load

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
)

// together is how many spreads run at a time.
const together = 4

// concurrent compares four spreads at a time with one, best time against best time. Beside it stands what the machine gives to the same
// goroutines for arithmetic alone: less than 2 on two cores means that others use them.
func (j *job) concurrent(ctx context.Context, r *running) error {
	works := []func(int) error{
		func(i int) error { return j.someSpreads(ctx, r, i) },
		func(i int) error { arithmetic(i); return nil },
	}
	best := make([][2]time.Duration, len(works)) // one after the other, together
	for begin, round := time.Now(), 0; round < 3 || time.Since(begin) < j.Duration; round++ {
		for k, work := range works {
			one, err := each(work, func(f func()) { f() })
			if err != nil {
				return err
			}
			var wg sync.WaitGroup
			four, err := each(work, wg.Go, wg.Wait)
			if err != nil {
				return err
			}
			if round == 0 {
				best[k] = [2]time.Duration{one, four}
			}
			best[k] = [2]time.Duration{min(best[k][0], one), min(best[k][1], four)}
		}
	}
	share := func(k int) float64 { return float64(best[k][0]) / float64(best[k][1]) }
	if err := j.ratio("four_of_one", share(0), "one spread at a time", atLeast(1.7)); err != nil {
		return err
	}
	return j.ratio("four_of_one_arithmetic", share(1), "one goroutine", Bound{})
}

// each does four pieces of work by start, and returns how long that took.
func each(work func(int) error, start func(func()), wait ...func()) (time.Duration, error) {
	errs := make([]error, together)
	begin := time.Now()
	for i := range together {
		start(func() { errs[i] = work(i) })
	}
	for _, w := range wait {
		w()
	}
	took := time.Since(begin)
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return 0, errs[i]
	}
	return took, nil
}

func (j *job) someSpreads(ctx context.Context, r *running, i int) error {
	random := rand.New(rand.NewPCG(j.Seed, uint64(100+i)))
	for range j.spreadBlock() / together {
		id, _ := r.space.RecordID(record.Ord(1 + random.IntN(j.Memories)))
		if _, err := r.Spread(ctx, node.DefaultSpace, []node.Seed{{ID: id, Activation: 1}}, j.everywhere()); err != nil {
			return err
		}
	}
	return nil
}

// arithmetic computes something for nothing.
func arithmetic(i int) {
	x := uint64(i)
	for range 5_000_000 {
		x = x*6364136223846793005 + 1442695040888963407
	}
	runtime.KeepAlive(x)
}
