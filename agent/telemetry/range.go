package telemetry

import (
	"context"
	"fmt"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// QueryRange evaluates an expression over a stretch of time, as Prometheus' query API does: over the
// remote server where there is one, else over the store.
func (t *Telemetry) QueryRange(ctx context.Context, query string, r promv1.Range, _ ...promv1.Option) (model.Value, promv1.Warnings, error) {
	l, err := t.looks.get(query)
	if err != nil {
		return nil, nil, err
	}
	src, _ := t.source(l)
	v, err := src.steps(ctx, query, r.Start, r.End, r.Step)
	if err != nil {
		return nil, nil, err
	}
	m, ok := v.(promql.Matrix)
	if !ok {
		return nil, nil, fmt.Errorf("%s is a %s over time, not series of numbers", query, v.Type())
	}
	out := make(model.Matrix, 0, len(m))
	for _, s := range m {
		one := &model.SampleStream{Metric: model.Metric{}}
		s.Metric.Range(func(l labels.Label) { one.Metric[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
		for _, p := range s.Floats {
			one.Values = append(one.Values, model.SamplePair{Timestamp: model.Time(p.T), Value: model.SampleValue(p.F)})
		}
		out = append(out, one)
	}
	return out, nil, nil
}
