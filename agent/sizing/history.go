package sizing

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// A Querier answers PromQL over a stretch of time: an agent, or any Prometheus server.
type Querier interface {
	QueryRange(ctx context.Context, query string, r promv1.Range, opts ...promv1.Option) (model.Value, promv1.Warnings, error)
}

// maxPoints is how many points a server answers a series with at most; Prometheus allows 11,000.
const maxPoints = 10000

// A History is one quantity of one target over a period, in equal steps. What is not known, or no amount, is NaN.
type History struct {
	From   time.Time
	Step   time.Duration
	Values []float64
}

// stepFor is how far apart points are, in whole minutes, so that a period is one answer.
func stepFor(period time.Duration) time.Duration {
	minutes := (period + maxPoints*time.Minute - 1) / (maxPoints * time.Minute)
	return max(1, minutes) * time.Minute
}

// histories asks for an expression that has one series a target.
func histories(ctx context.Context, q Querier, expr string, to time.Time, period time.Duration) (map[string]History, error) {
	step := stepFor(period)
	from := to.Add(-period).Add(step)
	value, _, err := q.QueryRange(ctx, expr, promv1.Range{Start: from, End: to, Step: step})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("query %s: the server answers with a %s, not a matrix", expr, value.Type())
	}
	all := map[string]History{}
	for _, series := range matrix {
		h := History{From: from, Step: step, Values: make([]float64, int(to.Sub(from)/step)+1)}
		for i := range h.Values {
			h.Values[i] = math.NaN()
		}
		for _, p := range series.Values {
			if i := int(math.Round(float64(p.Timestamp.Time().Sub(from)) / float64(step))); i >= 0 && i < len(h.Values) && !math.IsInf(float64(p.Value), 0) {
				h.Values[i] = float64(p.Value)
			}
		}
		all[string(series.Metric["target"])] = h
	}
	return all, nil
}

// known are the values that are numbers, ascending.
func (h History) known() []float64 {
	list := slices.DeleteFunc(slices.Clone(h.Values), math.IsNaN)
	slices.Sort(list)
	return list
}

// first is when the history begins to be known.
func (h History) first() (time.Time, bool) {
	for i, v := range h.Values {
		if !math.IsNaN(v) {
			return h.From.Add(time.Duration(i) * h.Step), true
		}
	}
	return time.Time{}, false
}

// last is the newest value that is known.
func (h History) last() (float64, bool) {
	for _, v := range slices.Backward(h.Values) {
		if !math.IsNaN(v) {
			return v, true
		}
	}
	return 0, false
}
