package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// A mixed storage holds what engramd itself takes, and leaves the rest to a remote server.
type mixed struct {
	local  *store
	remote *remote
}

// Querier implements [storage.Queryable].
func (m *mixed) Querier(mint, maxt int64) (storage.Querier, error) {
	local, err := m.local.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	far, err := m.remote.Querier(mint, maxt)
	if err != nil {
		return nil, errors.Join(err, local.Close())
	}
	return &mixedQuerier{Querier: local, remote: far}, nil
}

type mixedQuerier struct {
	storage.Querier
	remote storage.Querier
}

func (m *mixedQuerier) Select(ctx context.Context, sorted bool, h *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	if isLocal(ms) {
		return m.Querier.Select(ctx, sorted, h, ms...)
	}
	return m.remote.Select(ctx, sorted, h, ms...)
}

// Querier implements [storage.Queryable]: the server's raw samples.
func (r *remote) Querier(mint, maxt int64) (storage.Querier, error) {
	return &remoteQuerier{r: r, mint: mint, maxt: maxt}, nil
}

type remoteQuerier struct {
	r          *remote
	mint, maxt int64
}

// Select fetches the raw samples of a selector. The server leaves out the markers that end a series.
func (q *remoteQuerier) Select(ctx context.Context, _ bool, h *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	mint, maxt := q.mint, q.maxt
	if h != nil {
		mint, maxt = max(mint, h.Start), min(maxt, h.End)
	}
	// A range begins after its start.
	expr := fmt.Sprintf("%s[%dms]", selectorText(ms), max(1, maxt-mint+1))
	v, err := q.r.instant(ctx, expr, time.UnixMilli(maxt))
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	m, ok := v.(promql.Matrix)
	if !ok {
		return storage.ErrSeriesSet(fmt.Errorf("ask Prometheus at %s for samples: the answer is a %s", q.r.url, v.Type()))
	}
	set := &seriesList{at: -1}
	for _, s := range m {
		points := make([]chunks.Sample, len(s.Floats))
		for i, p := range s.Floats {
			points[i] = point{p.T, p.F}
		}
		set.list = append(set.list, storage.NewListSeries(s.Metric, points))
	}
	return set
}

func (*remoteQuerier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.New("not asked of a remote Prometheus")
}

func (*remoteQuerier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.New("not asked of a remote Prometheus")
}

func (*remoteQuerier) Close() error { return nil }

func selectorText(ms []*labels.Matcher) string {
	parts := make([]string, len(ms))
	for i, m := range ms {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// A seriesList is a set of series in memory.
type seriesList struct {
	list []storage.Series
	at   int
}

func (s *seriesList) Next() bool                      { s.at++; return s.at < len(s.list) }
func (s *seriesList) At() storage.Series              { return s.list[s.at] }
func (*seriesList) Err() error                        { return nil }
func (*seriesList) Warnings() annotations.Annotations { return nil }

// A point is one raw sample of a remote server.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                    { return p.t }
func (p point) F() float64                  { return p.v }
func (point) ST() int64                     { return 0 }
func (point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample         { return p }
func (point) H() *histogram.Histogram       { return nil }
func (point) FH() *histogram.FloatHistogram { return nil }
