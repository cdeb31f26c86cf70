package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Options are what New needs and Reload cannot change.
type Options struct {
	// Dir is the data directory; the store lives in its folder "metrics".
	Dir string
	Config
	// Registry holds the agent's own metrics. It is served on /metrics, and its engramd_* families are
	// stored at every interval like any other sample. Telemetry registers its own there.
	Registry *prometheus.Registry
	Log      *slog.Logger
}

// Telemetry is everything that is measured. Its methods may be called concurrently, also before Run
// and after Close.
type Telemetry struct{}

var errUnfinished = errors.New("telemetry is not built yet")

// New opens the store, repairing it where it was damaged. It starts nothing that needs Run.
func New(o Options) (*Telemetry, error) { return nil, errUnfinished }

// Run scrapes and collects until ctx ends. It returns nil then.
func (t *Telemetry) Run(ctx context.Context) error { return errUnfinished }

// Close closes the store. It is idempotent.
func (t *Telemetry) Close() error { return errUnfinished }

// Reload swaps c in, or reports why it cannot and changes nothing.
func (t *Telemetry) Reload(c Config) error { return errUnfinished }

// Read evaluates expr at the instant at, to one value.
func (t *Telemetry) Read(ctx context.Context, expr string, at time.Time) policy.Reading {
	return policy.Reading{}
}

// ReadBy evaluates expr at the instant at, to one value for each value of label. What the map does
// not hold is unknown: use [Pick], which knows the reason.
func (t *Telemetry) ReadBy(ctx context.Context, expr, label string, at time.Time) map[string]policy.Reading {
	return nil
}

// Pick returns the reading for value from what ReadBy returned, or why there is none.
func Pick(by map[string]policy.Reading, value string) policy.Reading {
	return policy.Reading{}
}

// Mean averages expr over (from, to], a step an interval. It is unknown if expr was unknown at more
// than half of the steps.
func (t *Telemetry) Mean(ctx context.Context, expr string, from, to time.Time) policy.Reading {
	return policy.Reading{}
}

// Used reports what a target used over (from, to], from memory: at most the last two hours.
func (t *Telemetry) Used(target string, from, to time.Time) actuators.Usage {
	return actuators.Usage{}
}

// Sample measures a target now.
func (t *Telemetry) Sample(ctx context.Context, target string) (actuators.Usage, error) {
	return actuators.Usage{}, errUnfinished
}

// Query evaluates expr for the rules: with a remote source there, engramd_* here. It is a
// rules.QueryFunc.
func (t *Telemetry) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	return nil, errUnfinished
}

// Storage is the store for the rules' own series (ALERTS, recording rules).
func (t *Telemetry) Storage() Storage { return nil }

// Storage is what the rules need of the store.
type Storage interface {
	storage.Queryable
	storage.Appendable
	storage.AppendableV2
}

// Rules are the rule groups that the query API shows; *rules.Manager of Prometheus is one.
type Rules interface {
	RuleGroups() []*rules.Group
	AlertingRules() []*rules.AlertingRule
}

// Handler serves Prometheus' query API below /api/v1/ and the agent's registry on /metrics. r may be
// nil, and is asked at each request.
func (t *Telemetry) Handler(r func() Rules) http.Handler { return http.NotFoundHandler() }

var (
	_ actuators.Querier = (*Telemetry)(nil)
	_ actuators.Meter   = (*Telemetry)(nil)
	_ rules.QueryFunc   = (*Telemetry)(nil).Query
)
