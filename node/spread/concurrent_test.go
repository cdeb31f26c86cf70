package spread_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
)

// However many workers there are, and while merges go on and others write elsewhere, the same spread returns the same.
func TestWorkersAgree(t *testing.T) {
	const n, island = 20_000, record.Ord(500_000)
	g := random(t, n, 8)
	o := spread.Defaults()
	list := make([][]spread.Seed, 40)
	want := make([]spread.Result, len(list))
	r := rand.New(rand.NewPCG(1, 4))
	var one spread.Worker
	for i := range list {
		list[i] = []spread.Seed{{Ord: record.Ord(1 + r.IntN(n)), Activation: 1}, {Ord: record.Ord(1 + r.IntN(n)), Activation: 0.5}}
		var err error
		if want[i], err = one.Spread(t.Context(), g.Snapshot(), list[i], o); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var others, workers sync.WaitGroup
	others.Go(func() {
		for i := record.Ord(0); ctx.Err() == nil; i++ {
			a, b := island+i*7%5000, island+i*13%5000
			g.Apply([]record.Op{
				{Kind: record.Put, Ord: a},
				{Kind: record.Link, Ord: a, To: b, Weight: 1 + record.Weight(i%100)},
				// The same weight as before: a change of a row that the spreads read, and none of its content.
				{Kind: record.Strengthen, Ord: 1 + i%n, To: 1 + i%n, Weight: 5},
				{Kind: record.Link, Ord: 1 + i%n, To: island + i%5000, Weight: 1},
				{Kind: record.Unlink, Ord: 1 + i%n, To: island + i%5000},
			})
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			if err := g.Merge(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for offset := range 4 {
		workers.Go(func() {
			var w spread.Worker
			for round := range 3 * len(list) {
				i := (offset*11 + round) % len(list)
				got, err := w.Spread(t.Context(), g.Snapshot(), list[i], o)
				if err != nil {
					t.Error(err)
					return
				}
				if diff := cmp.Diff(want[i], got); diff != "" {
					t.Errorf("spread %d differs (-alone +beside others):\n%s", i, diff)
					return
				}
			}
		})
	}
	workers.Wait()
	stop()
	others.Wait()
}
