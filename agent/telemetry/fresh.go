package telemetry

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A limit says how old a sample of a series may be and still be evidence.
type limit struct {
	usual time.Duration
	// slow holds the endpoints that are scraped less often than usual.
	slow map[endpoint]time.Duration
	max  time.Duration
}

type endpoint struct{ job, target string }

func newLimit(c Config) limit {
	l := limit{usual: 3 * c.Interval, max: 3 * c.Interval}
	for _, s := range c.Scrapes {
		if s.Interval > c.Interval {
			if l.slow == nil {
				l.slow = map[endpoint]time.Duration{}
			}
			l.slow[endpoint{s.Job, s.Target}] = 3 * s.Interval
			l.max = max(l.max, 3*s.Interval)
		}
	}
	return l
}

func (l limit) of(ls labels.Labels) time.Duration {
	if l.slow == nil {
		return l.usual
	}
	if d, ok := l.slow[endpoint{ls.Get("job"), ls.Get("target")}]; ok {
		return d
	}
	return l.usual
}

// newest is when the newest raw sample of some series was taken, in ms: of all, and of those that are
// not too old.
type newest struct{ any, fresh int64 }

var noSample = newest{minTime, minTime}

func (n newest) with(o newest) newest { return newest{max(n.any, o.any), max(n.fresh, o.fresh)} }

// found is what the raw samples of one selector say.
type found struct {
	all newest
	// by splits all by the value of a label; rest are the series without it, which count for every
	// value.
	by   map[string]newest
	rest newest
}

func (f *found) of(key string) newest { return f.by[key].orNone(f.by, key).with(f.rest) }

func (n newest) orNone(m map[string]newest, key string) newest {
	if _, ok := m[key]; ok {
		return n
	}
	return noSample
}

// find looks at the raw samples in [from, at] of every selector. A marker that a series ended is not a
// sample.
func find(ctx context.Context, q storage.Queryable, l *look, label string, lim limit, from, at int64) ([]found, error) {
	if len(l.selectors) == 0 {
		return nil, nil
	}
	querier, err := q.Querier(from, at)
	if err != nil {
		return nil, err
	}
	defer querier.Close()
	all := make([]found, len(l.selectors))
	var it chunkenc.Iterator
	for i, s := range l.selectors {
		f := &all[i]
		f.all, f.rest = noSample, noSample
		if label != "" {
			f.by = map[string]newest{}
		}
		set := querier.Select(ctx, false, &storage.SelectHints{Start: from, End: at}, s.matchers...)
		for set.Next() {
			series := set.At()
			it = series.Iterator(it)
			n := last(it, at, lim.of(series.Labels()))
			if n.any == minTime {
				continue
			}
			f.all = f.all.with(n)
			if label == "" {
				continue
			}
			if v := series.Labels().Get(label); v == "" {
				f.rest = f.rest.with(n)
			} else {
				f.by[v] = f.by[v].orNone(f.by, v).with(n)
			}
		}
		if err := set.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// last reads a series to its end.
func last(it chunkenc.Iterator, at int64, age time.Duration) newest {
	n := noSample
	for t := it.Next(); t != chunkenc.ValNone; t = it.Next() {
		ts := it.AtT()
		if ts > at {
			break
		}
		if !stale(it, t) {
			n.any = ts
		}
	}
	if n.any >= at-age.Milliseconds() {
		n.fresh = n.any
	}
	return n
}

func stale(it chunkenc.Iterator, t chunkenc.ValueType) bool {
	switch t {
	case chunkenc.ValFloat:
		_, v := it.At()
		return value.IsStaleNaN(v)
	case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
		_, h := it.AtFloatHistogram(nil)
		return value.IsStaleNaN(h.Sum)
	}
	return true
}

// An evidence is what the samples under an expression say of its freshness.
type evidence struct {
	state    state
	at       int64 // when the oldest of the newest samples was taken, in ms
	selector int   // the one to blame
}

type state uint8

const (
	always state = iota // needs no samples
	fresh
	none // no samples where the expression looks
	old
)

// judge walks the parts of an expression; newest answers for a selector, at is the instant.
func (l *look) judge(p *part, at int64, newest func(selector int) newest) evidence {
	switch p.kind {
	case reads:
		return l.judgeSelector(p.selector, at, newest(p.selector))
	case needsAll:
		e := evidence{state: always, at: math.MaxInt64}
		for _, q := range p.parts {
			e = worse(e, l.judge(q, at, newest))
		}
		return e
	case needsSome:
		return either(l.judge(p.parts[0], at, newest), l.judge(p.parts[1], at, newest))
	}
	return evidence{state: always, at: at}
}

func (l *look) judgeSelector(i int, at int64, n newest) evidence {
	switch {
	case n.fresh != minTime:
		return evidence{fresh, n.fresh, i}
	case n.any == minTime || n.any < at-l.selectors[i].back.Milliseconds():
		return evidence{none, n.any, i}
	}
	return evidence{old, n.any, i}
}

// worse joins two parts that are both needed.
func worse(a, b evidence) evidence {
	if b.state > a.state {
		a, b = b, a
	}
	if a.state == fresh && b.state == fresh {
		a.at = min(a.at, b.at)
	}
	return a
}

// either joins the sides of `or`. A side without samples leaves the answer to the other one, but not
// to a constant: zero must have been measured. A side that is too old would still be used.
func either(a, b evidence) evidence {
	switch {
	case a.state == old:
		return a
	case b.state == old:
		return b
	case a.state == fresh && b.state == fresh:
		return worse(a, b)
	case a.state == fresh:
		return a
	case b.state == fresh:
		return b
	case a.state == none:
		return a
	}
	return b
}

// why is the sentence for evidence that is not fresh; at is the instant.
func (l *look) why(e evidence, at int64) string {
	s := l.selectors[e.selector].text
	if e.at == minTime {
		return s + " has no sample"
	}
	age := time.Duration(at-e.at) * time.Millisecond
	return fmt.Sprintf("the newest sample of %s is %s old", s, age.Round(time.Second))
}
