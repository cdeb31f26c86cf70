package rules

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Options are what an [Evaluator] needs.
type Options struct {
	// Query answers every expression.
	Query promrules.QueryFunc
	// Appendable takes ALERTS and ALERTS_FOR_STATE, and what recording rules compute.
	Appendable storage.Appendable
	// Queryable is asked for ALERTS_FOR_STATE once after a start.
	Queryable storage.Queryable
	// Interval is how often a group without its own is evaluated; 15s if zero.
	Interval time.Duration
	// ExternalURL is what templates show as the place to look; it may be empty.
	ExternalURL string
	Log         *slog.Logger
	Registerer  prometheus.Registerer
	// Notify is called after each evaluation of a rule whose alerts are firing or were just resolved.
	// It may be nil; it must not block.
	Notify func(ctx context.Context, alerts []Alert)
}

// An Evaluator evaluates rule files. Its methods may be called concurrently.
type Evaluator struct{}

// New makes an evaluator of files and starts nothing.
func New(o Options, files []*File) (*Evaluator, error) { return nil, errors.ErrUnsupported }

// Run evaluates until ctx ends.
func (e *Evaluator) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Update swaps the files; groups that did not change keep their state. It may be called before and
// during Run.
func (e *Evaluator) Update(files []*File) error { return errors.ErrUnsupported }

// Alerts lists the pending and firing alerts of all files, ordered by name and labels.
func (e *Evaluator) Alerts() []Alert { return nil }

// Groups lists the groups with their state, for the Prometheus rules API.
func (e *Evaluator) Groups() []*promrules.Group { return nil }

// An Alert is one series of an alerting rule that is pending or firing.
type Alert struct {
	Name        string            `json:"name"`
	State       string            `json:"state"` // pending, firing, or inactive once resolved
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Value       float64           `json:"value"`
	ActiveAt    time.Time         `json:"active_at"`
	FiredAt     time.Time         `json:"fired_at,omitzero"`
	ResolvedAt  time.Time         `json:"resolved_at,omitzero"`
	Expr        string            `json:"expr"`
	// Episode identifies this stretch of being active; it is the same after a restart, and another one
	// when the alert comes back.
	Episode string `json:"episode"`
}
