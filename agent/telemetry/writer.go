package telemetry

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// A sample is one value of one metric; labels are pairs of name and value.
type sample struct {
	name   string
	value  float64
	labels []string
}

// A writer puts the samples of one collector into the store, each time all of them: a series that is
// not among them any more is ended with a marker, as a scrape does.
type writer struct {
	store *store

	mu     sync.Mutex
	series map[string]*series
	round  uint64
	last   []sample
	at     time.Time
	ended  bool
}

type series struct {
	labels labels.Labels
	ref    storage.SeriesRef
	round  uint64
}

// staleNaN marks the end of a series.
var staleNaN = math.Float64frombits(value.StaleNaN)

func newWriter(s *store) *writer { return &writer{store: s, series: map[string]*series{}} }

// write stores samples taken at the instant at.
func (w *writer) write(ctx context.Context, at time.Time, samples []sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.last, w.at = samples, at
	w.round++
	a := &appender{s: w.store, ctx: ctx}
	t := at.UnixMilli()
	for _, smp := range samples {
		s := w.known(smp)
		s.round = w.round
		s.put(a, t, smp.value)
	}
	for key, s := range w.series {
		if s.round != w.round {
			s.put(a, t, staleNaN)
			delete(w.series, key)
		}
	}
	_ = a.Commit() // never fails
	w.store.note(t)
}

// end ends every series. What comes later is dropped: a reading may still be under way.
func (w *writer) end(ctx context.Context, at time.Time) {
	w.write(ctx, at, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// put appends; what the store refuses it has counted.
func (s *series) put(a *appender, t int64, v float64) {
	if ref, err := a.Append(s.ref, s.labels, 0, t, v, nil, nil, storage.AOptions{}); err == nil {
		s.ref = ref
	}
}

func (w *writer) known(smp sample) *series {
	key := smp.name + "\xff" + strings.Join(smp.labels, "\xff")
	s, ok := w.series[key]
	if !ok {
		s = &series{labels: labelsOf(smp)}
		w.series[key] = s
	}
	return s
}

func labelsOf(s sample) labels.Labels {
	b := labels.NewScratchBuilder(1 + len(s.labels)/2)
	b.Add(model.MetricNameLabel, s.name)
	for i := 0; i+1 < len(s.labels); i += 2 {
		if s.labels[i+1] != "" {
			b.Add(s.labels[i], s.labels[i+1])
		}
	}
	b.Sort()
	return b.Labels()
}

// latest returns what was written last, and when.
func (w *writer) latest() ([]sample, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.at
}
