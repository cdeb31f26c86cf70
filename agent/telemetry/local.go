package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// An engine evaluates PromQL here, over the store or over what a remote server holds.
type engine struct {
	storage.Queryable
	promql *promql.Engine
}

// maxSamples bounds what one query may hold in memory: 16 bytes each.
const maxSamples = 2_000_000

func newEngine(q storage.Queryable, interval time.Duration, timeout time.Duration, tracker promql.QueryTracker, log *slog.Logger) *engine {
	return &engine{Queryable: q, promql: promql.NewEngine(promql.EngineOpts{
		Logger:                   quiet(log),
		MaxSamples:               maxSamples,
		Timeout:                  timeout,
		LookbackDelta:            lookback,
		ActiveQueryTracker:       tracker,
		NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   promqlParser,
	})}
}

func (e *engine) instant(ctx context.Context, expr string, at time.Time) (parser.Value, error) {
	q, err := e.promql.NewInstantQuery(ctx, e.Queryable, nil, expr, at)
	if err != nil {
		return nil, err
	}
	return execute(ctx, q)
}

func (e *engine) steps(ctx context.Context, expr string, from, to time.Time, step time.Duration) (parser.Value, error) {
	q, err := e.promql.NewRangeQuery(ctx, e.Queryable, nil, expr, from, to, step)
	if err != nil {
		return nil, err
	}
	return execute(ctx, q)
}

// execute copies what the engine would use again: closing a query gives its points back to a pool.
func execute(ctx context.Context, q promql.Query) (parser.Value, error) {
	r := q.Exec(ctx)
	defer q.Close()
	if r.Err != nil {
		return nil, r.Err
	}
	m, ok := r.Value.(promql.Matrix)
	if !ok {
		return r.Value, nil
	}
	m = slices.Clone(m) // the query holds the same list
	for i := range m {
		m[i].Floats = slices.Clone(m[i].Floats)
		m[i].Histograms = slices.Clone(m[i].Histograms)
	}
	return m, nil
}
