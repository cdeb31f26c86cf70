package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/wal"
)

// A spell is what writers did in one stretch of time.
type spell struct {
	records int64
	took    time.Duration
	batches uint64
	bytes   uint64          // of the log
	times   []time.Duration // of the records of the first writer
}

func (s *spell) add(t spell) {
	s.records += t.records
	s.took += t.took
	s.batches += t.batches
	s.bytes += t.bytes
	s.times = append(s.times, t.times...)
}

func (s *spell) perSecond() float64 { return float64(s.records) / s.took.Seconds() }

// batch is the mean size of a batch of the log.
func (s *spell) batch() int { return int(s.bytes / max(1, s.batches)) }

// write lets writers remember, each one memory after the other, for a time.
func write(ctx context.Context, r *running, writers int, content string, lasts time.Duration) (spell, error) {
	var s spell
	var records atomic.Int64
	errs := make([]error, writers)
	before := r.Store().Stats().WAL
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for time.Since(begin) < lasts && errs[w] == nil {
				at := time.Now()
				_, errs[w] = r.Remember(ctx, node.DefaultSpace, node.Memory{Content: content, Confidence: 1})
				if w == 0 {
					s.times = append(s.times, time.Since(at))
				}
				records.Add(1)
			}
		})
	}
	wg.Wait()
	s.took, s.records = time.Since(begin), records.Load()
	s.grew(before, r.Store().Stats().WAL)
	return s, errors.Join(errs...)
}

func (s *spell) grew(before, after wal.Stats) {
	s.batches, s.bytes = after.Batches-before.Batches, after.WrittenBytes-before.WrittenBytes
}
