package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// maxAhead is how far in the future a sample that brings its own time may lie.
const maxAhead = 10 * time.Second

// AppenderV2 implements [storage.AppendableV2], for the scrapes.
func (s *store) AppenderV2(ctx context.Context) storage.AppenderV2 {
	a := &appender{s: s, ctx: ctx, bounded: true}
	a.endpoint, _ = scrape.TargetFromContext(ctx)
	return a
}

// Appender implements [storage.Appendable], for the rules.
func (s *store) Appender(ctx context.Context) storage.Appender {
	return appenderV1{&appender{s: s, ctx: ctx}}
}

// An appender is one transaction. It takes hold of the store with its first sample, as scrapes make
// one before they ask their endpoint, and lets go with Commit or Rollback. While the store takes
// nothing, it counts what is lost.
type appender struct {
	s        *store
	ctx      context.Context // of this transaction: appenders live for one call
	bounded  bool            // for what others send
	endpoint *scrape.Target

	in     storage.AppenderV2 // nil: nothing was appended yet, or the store takes nothing
	begun  bool
	series int64 // in the store, for the bounds
	tag    storage.SeriesRef
	added  int
}

// A reference carries the number of the database that it is of in its upper bits: scrapes remember
// references, and in another database the same number is another series.
const tagBits = 48

// begin takes hold of the store.
func (a *appender) begin() {
	a.begun = true
	s := a.s
	s.reopen(a.ctx)
	s.mu.RLock()
	if s.db == nil {
		s.mu.RUnlock()
		return
	}
	a.series = int64(s.db.Head().NumSeries())
	if !s.disk.writable(a.ctx, a.series) {
		// What is finished in memory is written while there is room for it.
		s.writeFinishedChunks()
		s.mu.RUnlock()
		return
	}
	a.tag = storage.SeriesRef(s.generation.Load()) << tagBits
	a.in = s.db.AppenderV2(a.ctx)
}

// Append implements [storage.AppenderV2].
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	if !a.begun {
		a.begin()
	}
	if a.in == nil {
		a.added++
		return 0, nil
	}
	if ref>>tagBits == a.tag>>tagBits {
		ref &^= a.tag
	} else {
		ref = 0
	}
	if a.bounded {
		if err := a.admit(ref, ls, t); err != nil {
			a.s.m.dropped(err).Inc()
			return 0, err
		}
	}
	got, err := a.in.Append(ref, ls, st, t, v, h, fh, o)
	if err != nil {
		a.s.m.dropped(err).Inc()
		return 0, err
	}
	a.added++
	return got | a.tag, nil
}

// admit refuses what would let an endpoint fill the memory, or write into the future.
func (a *appender) admit(ref storage.SeriesRef, ls labels.Labels, t int64) error {
	if t > time.Now().Add(maxAhead).UnixMilli() {
		return storage.ErrOutOfBounds
	}
	if ref != 0 || reports(ls) {
		return nil
	}
	if known, ok := a.in.(storage.GetRef); ok {
		if r, _ := known.GetRef(ls, ls.Hash()); r != 0 {
			return nil
		}
	}
	if err := a.s.churn.admit(a.series, a.endpoint); err != nil {
		return err
	}
	a.series++
	return nil
}

// Commit implements [storage.AppenderTransaction]. It never fails: that the store takes nothing is the
// store's to report, and the caller could do nothing about it.
func (a *appender) Commit() error {
	in := a.end()
	if in == nil {
		a.s.m.droppedFull.Add(float64(a.added))
		return nil
	}
	err := in.Commit()
	a.s.mu.RUnlock()
	if err != nil {
		a.s.m.droppedFull.Add(float64(a.added))
		a.s.park(a.ctx, err)
		return nil
	}
	a.s.m.appended.Add(float64(a.added))
	if a.added > 0 {
		a.s.disk.wrote(a.ctx)
	}
	return nil
}

// Rollback implements [storage.AppenderTransaction].
func (a *appender) Rollback() error {
	in := a.end()
	if in == nil {
		return nil
	}
	defer a.s.mu.RUnlock()
	return in.Rollback()
}

// end returns the transaction to finish, once.
func (a *appender) end() storage.AppenderV2 {
	in := a.in
	a.begun, a.in = true, nil
	return in
}

var errTooManySeries = errors.New("too many series")
