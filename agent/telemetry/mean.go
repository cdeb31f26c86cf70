package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/engramd/engramd/policy"
)

// maxSteps bounds a mean: a longer stretch is read in larger steps.
const maxSteps = 500

// Mean averages expr over (from, to], a step an interval. It is unknown if expr was unknown at more
// than half of the steps, each judged like a Read at its instant.
func (t *Telemetry) Mean(ctx context.Context, expr string, from, to time.Time) policy.Reading {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r, err := t.mean(ctx, expr, from, to)
	if err != nil {
		r = unknown(expr, err)
	}
	t.m.count(r)
	return r
}

func (t *Telemetry) mean(ctx context.Context, expr string, from, to time.Time) (policy.Reading, error) {
	l, err := t.looks.get(expr)
	if err != nil {
		return policy.Reading{}, err
	}
	src, lim := t.source(l)
	if err := t.trusted(l, lim, to); err != nil {
		return policy.Reading{}, err
	}
	step := max(lim.usual/3, to.Sub(from)/maxSteps).Truncate(time.Millisecond)
	// The steps end at to, so that the newest samples count.
	n := int(to.Sub(from) / step)
	if n == 0 {
		return policy.Reading{}, fmt.Errorf("the stretch of %s is shorter than the interval of %s", to.Sub(from), step)
	}
	first := to.Add(-time.Duration(n-1) * step)
	v, err := src.steps(ctx, expr, first, to, step)
	if err != nil {
		return policy.Reading{}, err
	}
	points, err := oneSeries(v)
	if err != nil {
		return policy.Reading{}, err
	}
	lines, err := timelines(ctx, src, l, lim, first, to)
	if err != nil {
		return policy.Reading{}, err
	}
	return l.average(expr, points, lines, lim, n, to)
}

// average joins the points that were known. The reasons of the last unknown step stand for all.
func (l *look) average(expr string, points []promql.FPoint, lines []timeline, lim limit, n int, to time.Time) (policy.Reading, error) {
	sum, known := 0.0, 0
	r := policy.Reading{Expr: expr, Known: true}
	why := errors.New("the expression has no result")
	for _, p := range points {
		e := l.judge(l.root, p.T, func(i int) newest { return lines[i].newest(p.T, lim) })
		switch {
		case e.state > fresh:
			why = errors.New(l.why(e, p.T))
		case math.IsNaN(p.F) || math.IsInf(p.F, 0):
			why = errors.New("the result is not a finite number")
		default:
			sum += p.F
			known++
			r.At = time.UnixMilli(e.at)
		}
	}
	if known == 0 || 2*known < n {
		return policy.Reading{}, fmt.Errorf("known at %d of %d steps up to %s: %w", known, n, to.UTC().Format(time.RFC3339), why)
	}
	r.Value = sum / float64(known)
	return r, nil
}

func oneSeries(v parser.Value) ([]promql.FPoint, error) {
	m, ok := v.(promql.Matrix)
	switch {
	case !ok:
		return nil, fmt.Errorf("the result is a %s, not numbers", v.Type())
	case len(m) == 0:
		return nil, nil
	case len(m) > 1:
		return nil, fmt.Errorf("%d series, such as %s and %s: aggregate them to one", len(m), m[0].Metric, m[1].Metric)
	case len(m[0].Histograms) > 0:
		return nil, errors.New("the result is a histogram: take histogram_quantile or another function of it")
	}
	return m[0].Floats, nil
}

// A timeline holds when a selector's samples were taken, ascending, in ms.
type timeline struct {
	usual, slow []int64
	slowAge     time.Duration
}

// newest answers as find does, at the instant at.
func (l *timeline) newest(at int64, lim limit) newest {
	return newestAt(l.usual, at, lim.usual).with(newestAt(l.slow, at, l.slowAge))
}

func newestAt(times []int64, at int64, age time.Duration) newest {
	i, found := slices.BinarySearch(times, at)
	if !found {
		i--
	}
	if i < 0 {
		return noSample
	}
	n := newest{times[i], minTime}
	if n.any >= at-age.Milliseconds() {
		n.fresh = n.any
	}
	return n
}

// timelines collects when the samples that matter to the steps from first to to were taken.
func timelines(ctx context.Context, q storage.Queryable, l *look, lim limit, first, to time.Time) ([]timeline, error) {
	lines := make([]timeline, len(l.selectors))
	if len(lines) == 0 {
		return lines, nil
	}
	back := lim.max
	for _, s := range l.selectors {
		back = max(back, s.back)
	}
	from, end := first.Add(-back).UnixMilli(), to.UnixMilli()
	querier, err := q.Querier(from, end)
	if err != nil {
		return nil, err
	}
	defer querier.Close()
	var it chunkenc.Iterator
	for i, s := range l.selectors {
		set := querier.Select(ctx, false, &storage.SelectHints{Start: from, End: end}, s.matchers...)
		for set.Next() {
			series := set.At()
			it = series.Iterator(it)
			age := lim.of(series.Labels())
			if age == lim.usual {
				lines[i].usual = appendTimes(lines[i].usual, it, end)
				continue
			}
			lines[i].slow, lines[i].slowAge = appendTimes(lines[i].slow, it, end), max(lines[i].slowAge, age)
		}
		if err := set.Err(); err != nil {
			return nil, err
		}
		slices.Sort(lines[i].usual)
		slices.Sort(lines[i].slow)
	}
	return lines, nil
}

func appendTimes(times []int64, it chunkenc.Iterator, end int64) []int64 {
	for t := it.Next(); t != chunkenc.ValNone && it.AtT() <= end; t = it.Next() {
		if !stale(it, t) {
			times = append(times, it.AtT())
		}
	}
	return times
}
