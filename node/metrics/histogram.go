package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// histogram tells the durations of an operation that was ever done.
func (t teller) histogram(op Operation, now *tally, ops *Operations) {
	counts := now.counts[op]
	if counts == nil {
		return
	}
	desc := prometheus.NewDesc("engram_operation_duration_seconds", "How long operations took.", []string{"operation"}, nil)
	native := map[int]int64{}
	var zero uint64
	classic := make([]*dto.Bucket, len(classicBounds))
	var below uint64
	for i, n := range counts {
		s := ops.scale.slots[i]
		if s.native == lowest {
			zero += n
		} else if n > 0 {
			native[s.native] += int64(n)
		}
		below += n
		if s.classic < len(classic) {
			classic[s.classic] = &dto.Bucket{UpperBound: new(classicBounds[s.classic].Seconds()), CumulativeCount: new(below)}
		}
	}
	sum := float64(now.nanos[op]) / 1e9
	m, err := prometheus.NewConstNativeHistogram(desc, below, sum, native, nil, zero, schema, zeroThreshold, ops.began, op.String())
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	t.to <- both{m, classic}
}

// both is a histogram with buckets of both kinds.
type both struct {
	prometheus.Metric
	classic []*dto.Bucket
}

// Write implements prometheus.Metric.
func (b both) Write(m *dto.Metric) error {
	if err := b.Metric.Write(m); err != nil {
		return err
	}
	m.Histogram.Bucket = b.classic
	return nil
}
