package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/engramd/engramd/policy"
)

// readTimeout bounds one signal.
const readTimeout = 10 * time.Second

// searchBack is how far back a sample is looked for, to say how old it is.
const searchBack = time.Hour

// A source evaluates expressions, and holds the raw samples below them.
type source interface {
	storage.Queryable
	instant(ctx context.Context, expr string, at time.Time) (parser.Value, error)
	steps(ctx context.Context, expr string, from, to time.Time, step time.Duration) (parser.Value, error)
}

// Read evaluates expr at the instant at, to one value. At of the reading is when the newest raw sample
// under it was taken; with several selectors, of the one whose newest is oldest.
func (t *Telemetry) Read(ctx context.Context, expr string, at time.Time) policy.Reading {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r := t.read(ctx, expr, at)
	t.m.count(r)
	return r
}

func (t *Telemetry) read(ctx context.Context, expr string, at time.Time) policy.Reading {
	e, err := t.examine(ctx, expr, "", at)
	if err != nil {
		return unknown(expr, err)
	}
	r := e.reading("")
	if !r.Known {
		return r
	}
	v, err := e.src.instant(ctx, expr, at)
	if err != nil {
		return unknown(expr, err)
	}
	samples, err := vector(v)
	switch {
	case err != nil:
		return unknown(expr, err)
	case len(samples) > 1:
		return unknown(expr, fmt.Errorf("%d series, such as %s and %s: aggregate them to one, or use by (target)",
			len(samples), samples[0].Metric, samples[1].Metric))
	case len(samples) == 0:
		return unknown(expr, errors.New("the expression has no result"))
	}
	return valued(r, samples[0])
}

// ReadBy evaluates expr at the instant at, to one value for each value of label. What the map does
// not hold is unknown: use [Pick], which knows the reason.
func (t *Telemetry) ReadBy(ctx context.Context, expr, label string, at time.Time) map[string]policy.Reading {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	by, err := t.readBy(ctx, expr, label, at)
	if err != nil {
		by = map[string]policy.Reading{"": unknown(expr, err)}
	}
	for _, r := range by {
		t.m.count(r)
	}
	return by
}

func (t *Telemetry) readBy(ctx context.Context, expr, label string, at time.Time) (map[string]policy.Reading, error) {
	e, err := t.examine(ctx, expr, label, at)
	if err != nil {
		return nil, err
	}
	v, err := e.src.instant(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	samples, err := vector(v)
	if err != nil {
		return nil, err
	}
	by := map[string]policy.Reading{}
	for _, f := range e.found {
		for key := range f.by {
			if _, ok := by[key]; !ok {
				by[key] = e.reading(key)
			}
		}
	}
	none := fmt.Errorf("the expression has no result for this %s", label)
	answered := map[string]bool{}
	for _, s := range samples {
		key := s.Metric.Get(label)
		if key == "" { // such as of an endpoint without a target: it answers for nobody
			none = fmt.Errorf("the result has a series without the label %s: write by (%s)", label, label)
			continue
		}
		r, ok := by[key]
		if !ok {
			r = e.reading(key)
		}
		switch {
		case answered[key]:
			r = unknown(expr, fmt.Errorf("more than one series for %s=%q: write by (%s)", label, key, label))
		case r.Known:
			r = valued(r, s)
		}
		by[key], answered[key] = r, true
	}
	for key, r := range by {
		if r.Known && !answered[key] {
			by[key] = unknown(expr, none)
		}
	}
	by[""] = unknown(expr, none)
	return by, nil
}

// Pick returns the reading for value from what ReadBy returned, or why there is none.
func Pick(by map[string]policy.Reading, value string) policy.Reading {
	if r, ok := by[value]; ok {
		return r
	}
	r := by[""]
	r.Known = false
	if r.Reason == "" {
		r.Reason = "no sample"
	}
	return r
}

// An examined expression is one whose freshness is known.
type examined struct {
	ctx   context.Context // of this one read
	expr  string
	label string
	at    int64
	l     *look
	src   source
	lim   limit
	found []found
	deep  bool // found reaches as far back as the expression
}

// examine parses expr, chooses who answers, and looks at the raw samples of the last three intervals.
func (t *Telemetry) examine(ctx context.Context, expr, label string, at time.Time) (*examined, error) {
	l, err := t.looks.get(expr)
	if err != nil {
		return nil, err
	}
	src, lim := t.source(l)
	e := &examined{ctx: ctx, expr: expr, label: label, at: at.UnixMilli(), l: l, src: src, lim: lim}
	if err := t.trusted(l, lim, at); err != nil {
		return nil, err
	}
	from := e.at - lim.max.Milliseconds()
	if since := t.store.since.Load(); since <= e.at {
		from = max(from, since)
	}
	e.found, err = find(ctx, src, l, label, lim, from, e.at)
	return e, err
}

// reading is the reading without its value: known if every sample that it needs is fresh.
func (e *examined) reading(key string) policy.Reading {
	v := e.judge(key)
	// Without samples nearby, a selector may be too old or may never have been: `or` must know which.
	if (v.state > fresh || e.l.choice && e.lacks(key)) && !e.deep {
		if err := e.deepen(); err != nil {
			return unknown(e.expr, err)
		}
		v = e.judge(key)
	}
	if v.state > fresh {
		return unknown(e.expr, errors.New(e.l.why(v, e.at)))
	}
	return policy.Reading{Expr: e.expr, Known: true, At: time.UnixMilli(v.at)}
}

func (e *examined) judge(key string) evidence {
	return e.l.judge(e.l.root, e.at, func(i int) newest { return e.newest(i, key) })
}

func (e *examined) newest(i int, key string) newest {
	if e.label == "" {
		return e.found[i].all
	}
	return e.found[i].of(key)
}

// lacks reports whether some selector has no sample.
func (e *examined) lacks(key string) bool {
	for i := range e.found {
		if e.newest(i, key).any == minTime {
			return true
		}
	}
	return false
}

// deepen looks as far back as the expression does, to tell what is too old from what never was.
func (e *examined) deepen() error {
	e.deep = true
	back := max(searchBack, e.lim.max)
	for _, s := range e.l.selectors {
		back = max(back, s.back)
	}
	deep, err := find(e.ctx, e.src, e.l, e.label, e.lim, e.at-back.Milliseconds(), e.at)
	if err != nil {
		return err
	}
	for i := range deep {
		deep[i].only(e.found[i])
	}
	e.found = deep
	return nil
}

// only keeps what near calls fresh: a deeper search finds more samples, but none that is fresher.
func (f *found) only(near found) {
	f.all.fresh, f.rest.fresh = near.all.fresh, near.rest.fresh
	for key, n := range f.by {
		n.fresh = near.by[key].orNone(near.by, key).fresh
		f.by[key] = n
	}
}

// vector takes a result apart.
func vector(v parser.Value) (promql.Vector, error) {
	switch v := v.(type) {
	case promql.Vector:
		return v, nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("the result is a %s, not a number", v.Type())
}

// valued completes a reading with a sample's value.
func valued(r policy.Reading, s promql.Sample) policy.Reading {
	switch {
	case s.H != nil:
		return unknown(r.Expr, errors.New("the result is a histogram: take histogram_quantile or another function of it"))
	case math.IsNaN(s.F):
		return unknown(r.Expr, errors.New("the result is not a number (such as 0/0)"))
	case math.IsInf(s.F, 0):
		return unknown(r.Expr, errors.New("the result is infinite (such as 1/0)"))
	}
	r.Value = s.F
	return r
}

func unknown(expr string, err error) policy.Reading {
	reason := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		reason = fmt.Sprintf("the query took longer than %s", readTimeout)
	}
	return policy.Reading{Expr: expr, Reason: reason}
}
