package telemetry

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"github.com/engramd/engramd/policy"
)

// metrics are what telemetry says of itself.
type metrics struct {
	appended      prometheus.Counter
	droppedBy     *prometheus.CounterVec
	droppedFull   prometheus.Counter
	storeFull     prometheus.Gauge
	repairs       prometheus.Counter
	clockBack     prometheus.Counter
	scrapeFailed  *prometheus.CounterVec
	collectFailed *prometheus.CounterVec
	collectTook   *prometheus.HistogramVec
	targetsBlind  prometheus.Gauge
	reads         *prometheus.CounterVec
	known         prometheus.Counter
	unknown       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		appended: prometheus.NewCounter(prometheus.CounterOpts{Name: "engramd_store_samples_appended_total",
			Help: "Samples written to the metric store."}),
		droppedBy: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "engramd_store_samples_dropped_total",
			Help: "Samples not written to the metric store, by reason."}, []string{"reason"}),
		storeFull: prometheus.NewGauge(prometheus.GaugeOpts{Name: "engramd_store_full",
			Help: "1 while the metric store takes no samples, as its disk is full or cannot be written."}),
		repairs: prometheus.NewCounter(prometheus.CounterOpts{Name: "engramd_store_repairs_total",
			Help: "How often the metric store was found damaged and was repaired."}),
		clockBack: prometheus.NewCounter(prometheus.CounterOpts{Name: "engramd_clock_back_total",
			Help: "How often the clock went back so far that samples from its future were thrown away."}),
		scrapeFailed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "engramd_scrape_failures_total",
			Help: "Scrapes that failed."}, []string{"job", "target"}),
		collectFailed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "engramd_collector_failures_total",
			Help: "Readings that failed, in whole or in part, by collector."}, []string{"collector"}),
		collectTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "engramd_collector_duration_seconds",
			Help: "How long one reading took, by collector.", Buckets: []float64{.001, .01, .1, 1, 10}}, []string{"collector"}),
		targetsBlind: prometheus.NewGauge(prometheus.GaugeOpts{Name: "engramd_targets_blind",
			Help: "Targets that could not be read at the last interval."}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "engramd_signal_reads_total",
			Help: "Signals read, by outcome: known, unknown."}, []string{"outcome"}),
	}
	m.known, m.unknown = m.reads.WithLabelValues("known"), m.reads.WithLabelValues("unknown")
	m.droppedFull = m.droppedBy.WithLabelValues("store_full")
	for _, reason := range []string{"out_of_order", "duplicate", "out_of_bounds", "too_many_series"} {
		m.droppedBy.WithLabelValues(reason)
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.appended, m.droppedBy, m.storeFull, m.repairs, m.clockBack,
		m.scrapeFailed, m.collectFailed, m.collectTook, m.targetsBlind, m.reads} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// dropped is the counter for a sample that was refused with err.
func (m *metrics) dropped(err error) prometheus.Counter {
	switch {
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return m.droppedBy.WithLabelValues("out_of_order")
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return m.droppedBy.WithLabelValues("duplicate")
	case errors.Is(err, storage.ErrOutOfBounds):
		return m.droppedBy.WithLabelValues("out_of_bounds")
	case errors.Is(err, errTooManySeries):
		return m.droppedBy.WithLabelValues("too_many_series")
	}
	return m.droppedBy.WithLabelValues("other")
}

// count notes the outcome of one reading.
func (m *metrics) count(r policy.Reading) {
	if r.Known {
		m.known.Inc()
	} else {
		m.unknown.Inc()
	}
}

// counterValue sums one family of a registry.
func counterValue(g prometheus.Gatherer, name string) float64 {
	families, err := g.Gather()
	if err != nil {
		return 0
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// A storeStat reports the size of the store when it is asked.
type storeStat struct{ store *store }

var (
	seriesDesc = prometheus.NewDesc("engramd_store_series", "Series in the memory of the metric store.", nil, nil)
	bytesDesc  = prometheus.NewDesc("engramd_store_bytes", "Size of the metric store on disk.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (s *storeStat) Describe(c chan<- *prometheus.Desc) {
	c <- seriesDesc
	c <- bytesDesc
}

// Collect implements [prometheus.Collector].
func (s *storeStat) Collect(c chan<- prometheus.Metric) {
	series, bytes := s.store.stat()
	c <- prometheus.MustNewConstMetric(seriesDesc, prometheus.GaugeValue, float64(series))
	c <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(bytes))
}
