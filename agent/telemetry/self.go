package telemetry

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// collectSelf stores the engramd_* families of the agent's own registry, so that alerts and signals
// can speak of actions and budgets.
func (t *Telemetry) collectSelf(ctx context.Context) {
	began := time.Now()
	families, err := t.registry.Gather()
	if err != nil {
		err = fmt.Errorf("gather the agent's own metrics: %w", err)
	}
	t.collected(ctx, "self", began, err)
	var samples []sample
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "engramd_") {
			samples = appendFamily(samples, f)
		}
	}
	t.selfWriter.write(ctx, began, samples)
}

// appendFamily turns a family into the series that a scrape would make of it.
func appendFamily(out []sample, f *dto.MetricFamily) []sample {
	name := f.GetName()
	for _, m := range f.GetMetric() {
		var ls []string
		for _, l := range m.GetLabel() {
			ls = append(ls, l.GetName(), l.GetValue())
		}
		switch {
		case m.Counter != nil:
			out = append(out, sample{name, m.Counter.GetValue(), ls})
		case m.Gauge != nil:
			out = append(out, sample{name, m.Gauge.GetValue(), ls})
		case m.Untyped != nil:
			out = append(out, sample{name, m.Untyped.GetValue(), ls})
		case m.Histogram != nil:
			out = appendHistogram(out, name, ls, m.Histogram)
		case m.Summary != nil:
			out = appendSummary(out, name, ls, m.Summary)
		}
	}
	return out
}

func appendHistogram(out []sample, name string, ls []string, h *dto.Histogram) []sample {
	n := float64(h.GetSampleCount())
	inf := false
	for _, b := range h.GetBucket() {
		inf = inf || math.IsInf(b.GetUpperBound(), 1)
		out = append(out, sample{name + "_bucket", float64(b.GetCumulativeCount()), with(ls, "le", bound(b.GetUpperBound()))})
	}
	if !inf {
		out = append(out, sample{name + "_bucket", n, with(ls, "le", "+Inf")})
	}
	return append(out, sample{name + "_sum", h.GetSampleSum(), ls}, sample{name + "_count", n, ls})
}

func appendSummary(out []sample, name string, ls []string, s *dto.Summary) []sample {
	for _, q := range s.GetQuantile() {
		out = append(out, sample{name, q.GetValue(), with(ls, "quantile", bound(q.GetQuantile()))})
	}
	return append(out, sample{name + "_sum", s.GetSampleSum(), ls}, sample{name + "_count", float64(s.GetSampleCount()), ls})
}

func with(ls []string, name, value string) []string {
	return append(ls[:len(ls):len(ls)], name, value)
}

func bound(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
