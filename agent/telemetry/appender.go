package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// Bounds on what others can put into the store. A series costs about 3 KB for up to three hours.
const (
	defaultMaxSeries         = 100_000
	defaultMaxSeriesEndpoint = 25_000 // new ones of one endpoint in churnPeriod
	churnPeriod              = 2 * time.Hour
	maxAhead                 = 10 * time.Second // of a sample that brings its own time
)

var errTooManySeries = errors.New("too many series")

// AppenderV2 implements [storage.AppendableV2], for the scrapes.
func (s *store) AppenderV2(ctx context.Context) storage.AppenderV2 {
	a, ok := s.appender(ctx)
	if !ok {
		return &discard{m: s.m}
	}
	a.bounded = true
	if t, ok := scrape.TargetFromContext(ctx); ok {
		a.endpoint = t
	}
	return a
}

// Appender implements [storage.Appendable], for the rules.
func (s *store) Appender(ctx context.Context) storage.Appender {
	a, ok := s.appender(ctx)
	if !ok {
		return appenderV1{&discard{m: s.m}}
	}
	return appenderV1{a}
}

// appender begins a transaction, unless the store is closed or takes nothing.
func (s *store) appender(ctx context.Context) (*appender, bool) {
	s.mu.RLock()
	if s.db == nil {
		s.mu.RUnlock()
		return nil, false
	}
	series := int64(s.db.Head().NumSeries())
	if !s.disk.writable(ctx, series) {
		// What is finished in memory is written while there is room for it.
		s.writeFinishedChunks()
		s.mu.RUnlock()
		return nil, false
	}
	return &appender{AppenderV2: s.db.AppenderV2(ctx), s: s, ctx: ctx, series: series, generation: s.generation.Load()}, true
}

// writeFinishedChunks empties what the tsdb would otherwise write in its own goroutine, where a
// failure ends the process.
func (s *store) writeFinishedChunks() {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("the metric store could not write finished chunks", "error", fmt.Sprint(p))
		}
	}()
	s.db.ForceHeadMMap()
}

// An appender counts what is added and what is dropped. It holds the store until Commit or Rollback.
type appender struct {
	storage.AppenderV2
	s          *store
	ctx        context.Context // of this transaction: appenders live for one call
	series     int64
	generation uint64
	bounded    bool
	endpoint   *scrape.Target
	added      int
	done       bool
}

// Append implements [storage.AppenderV2].
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	if a.bounded {
		if err := a.admit(ref, ls, t); err != nil {
			a.s.m.dropped(err).Inc()
			return 0, err
		}
	}
	got, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
	if err != nil {
		a.s.m.dropped(err).Inc()
		return got, err
	}
	a.added++
	return got, nil
}

// admit refuses what would let an endpoint fill the memory, or write into the future.
func (a *appender) admit(ref storage.SeriesRef, ls labels.Labels, t int64) error {
	if t > time.Now().Add(maxAhead).UnixMilli() {
		return storage.ErrOutOfBounds
	}
	if ref != 0 {
		return nil
	}
	name := ls.Get(labels.MetricName)
	if name == "up" || strings.HasPrefix(name, "scrape_") {
		return nil // what says that an endpoint is in trouble must always find room
	}
	if known, ok := a.AppenderV2.(storage.GetRef); ok {
		if r, _ := known.GetRef(ls, ls.Hash()); r != 0 {
			return nil
		}
	}
	if most := a.s.maxSeries.Load(); a.series >= most {
		return fmt.Errorf("%w: the store holds %d, and its limit is %d", errTooManySeries, a.series, most)
	}
	if n, most := a.s.churn.add(a.endpoint), a.s.maxSeriesEndpoint.Load(); n > most {
		return fmt.Errorf("%w: %d new ones from this endpoint in %s, and its limit is %d", errTooManySeries, n, churnPeriod, most)
	}
	a.series++
	return nil
}

// Commit implements [storage.AppenderTransaction]. A disk that is full is the store's to report: the
// caller has nothing to add, so it is not told.
func (a *appender) Commit() error {
	if a.done {
		return nil
	}
	err := a.AppenderV2.Commit()
	a.end()
	if err != nil {
		a.s.m.droppedFull.Add(float64(a.added))
		a.s.disk.failed(a.ctx, err)
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
	if a.done {
		return nil
	}
	err := a.AppenderV2.Rollback()
	a.end()
	return err
}

func (a *appender) end() {
	a.done = true
	a.s.mu.RUnlock()
}

// A churn counts the new series of each endpoint over a period.
type churn struct {
	mu    sync.Mutex
	began time.Time
	n     map[*scrape.Target]int64
}

func (c *churn) add(t *scrape.Target) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.n == nil || now.Sub(c.began).Abs() > churnPeriod {
		c.began, c.n = now, map[*scrape.Target]int64{}
	}
	c.n[t]++
	return c.n[t]
}

var staleNaN = math.Float64frombits(value.StaleNaN)
