package graph_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
)

// tick lets a second of a bubble pass.
func tick(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Readers see whole batches only, while a writer writes and merges go on: each batch moves the edge of every source
// from one target to another.
func TestReadersSeeWholeBatches(t *testing.T) {
	const sources, targets, batches = 300, 5, 400
	source := func(i int) record.Ord { return record.Ord(1 + i*97) }
	target := func(i int) record.Ord { return record.Ord(40_000 + i*5000) }
	h := newHome()
	var ops []record.Op
	for i := range targets {
		ops = append(ops, put(target(i))...)
	}
	for i := range sources {
		ops = append(ops, put(source(i))...)
		ops = append(ops, link(source(i), target(0), 1))
	}
	h.graph.Apply(ops)

	ctx, stop := context.WithCancel(t.Context())
	var readers, merger sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				s := h.graph.Snapshot()
				want := s.Edges(source(0))[0].To()
				for i := range sources {
					if row := s.Edges(source(i)); len(row) != 1 || row[0].To() != want {
						t.Errorf("source %d leads to %v where the first leads to %d", i, row, want)
						return
					}
				}
				n := 0
				for range s.Incoming(want) {
					n++
				}
				if n != sources {
					t.Errorf("%d sources lead to %d; want %d", n, want, sources)
					return
				}
			}
		})
	}
	merger.Go(func() {
		for ctx.Err() == nil {
			if err := h.graph.Merge(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	r := rand.New(rand.NewPCG(5, 5))
	at := 0
	for range batches {
		next := (at + 1 + r.IntN(targets-1)) % targets
		ops = ops[:0]
		for i := range sources {
			ops = append(ops, record.Op{Kind: record.Unlink, Ord: source(i), To: target(at)}, link(source(i), target(next), 1))
		}
		h.graph.Apply(ops)
		at = next
	}
	stop()
	readers.Wait()
	merger.Wait()
}
