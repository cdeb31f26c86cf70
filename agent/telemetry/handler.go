package telemetry

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/rules"

	"github.com/engramd/engramd/agent/telemetry/promapi"
)

// Handler serves Prometheus' query API below /api/v1/ over the local store, and on /metrics the
// agent's registry, what was measured last of the host and of the targets, and the store's own
// metrics. groups may be nil; it is asked at each request, and may return none.
func (t *Telemetry) Handler(version string, groups func() []*rules.Group) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", promapi.New(promapi.Options{
		Queryable: t.store,
		Groups:    groups,
		Metadata:  t.metadata,
		Interval:  t.setup.Load().Interval,
		Version:   version,
		Log:       t.log,
	}))
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.GathererFunc(t.gather), promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true, MaxRequestsInFlight: 8,
	}))
	return mux
}

func (t *Telemetry) gather() ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{t.registry, prometheus.GathererFunc(t.measured)}
	t.store.mu.RLock()
	if t.store.reg != nil {
		all = append(all, t.store.reg)
	}
	t.store.mu.RUnlock()
	if reg := t.scraper.registry(); reg != nil {
		all = append(all, reg)
	}
	return all.Gather()
}

// measured makes families of the last readings of the host and of the targets. What is too old to be
// evidence is not shown.
func (t *Telemetry) measured() ([]*dto.MetricFamily, error) {
	oldest := time.Now().Add(-t.setup.Load().limit.usual)
	by := map[string]*dto.MetricFamily{}
	for _, w := range t.writers() {
		samples, at := w.latest()
		if at.Before(oldest) {
			continue
		}
		for _, s := range samples {
			addMetric(by, s)
		}
	}
	out := make([]*dto.MetricFamily, 0, len(by))
	for _, f := range by {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out, nil
}

// writers are the collectors' but for the agent's own registry, which speaks for itself.
func (t *Telemetry) writers() []*writer {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []*writer{t.hostWriter}
	for _, c := range t.collectors {
		list = append(list, c.writer)
	}
	return list
}

func addMetric(by map[string]*dto.MetricFamily, s sample) {
	f, ok := by[s.name]
	if !ok {
		f = &dto.MetricFamily{Name: &s.name, Type: typeOf(s.name).Enum()}
		if help := helpOf(s.name); help != "" {
			f.Help = &help
		}
		by[s.name] = f
	}
	m := &dto.Metric{Label: labelPairs(s)}
	if *f.Type == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &s.value}
	} else {
		m.Gauge = &dto.Gauge{Value: &s.value}
	}
	f.Metric = append(f.Metric, m)
}

func labelPairs(s sample) []*dto.LabelPair {
	var pairs []*dto.LabelPair
	for i := 0; i+1 < len(s.labels); i += 2 {
		if s.labels[i+1] != "" {
			pairs = append(pairs, &dto.LabelPair{Name: &s.labels[i], Value: &s.labels[i+1]})
		}
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return pairs
}

func typeOf(name string) dto.MetricType {
	if strings.HasSuffix(name, "_total") {
		return dto.MetricType_COUNTER
	}
	return dto.MetricType_GAUGE
}

// metadata describes every family that is known here: the agent's own, the collectors', and those of
// the endpoints that are scraped.
func (t *Telemetry) metadata() map[string]promapi.Metadata {
	out := map[string]promapi.Metadata{}
	for _, targets := range t.scraper.active() {
		for _, target := range targets {
			for _, m := range target.ListMetadata() {
				out[m.MetricFamily] = promapi.Metadata{Type: string(m.Type), Help: m.Help, Unit: m.Unit}
			}
		}
	}
	// A family that cannot be gathered has no metadata; /metrics tells of the fault.
	families, _ := prometheus.Gatherers{t.registry, prometheus.GathererFunc(t.measured)}.Gather()
	for _, f := range families {
		out[f.GetName()] = promapi.Metadata{Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp()}
	}
	return out
}
