package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Options are what an [Evaluator] needs. Query, Appendable and Queryable are required.
type Options struct {
	// Query answers every expression.
	Query promrules.QueryFunc
	// Appendable takes ALERTS and ALERTS_FOR_STATE, and what recording rules compute.
	Appendable storage.Appendable
	// Queryable is asked for ALERTS_FOR_STATE once after a start.
	Queryable storage.Queryable
	// Interval is how often a group without its own is evaluated; 15s if zero.
	Interval time.Duration
	// Outage is how long the agent may have been away for `for` to go on where it was; 1h if zero.
	Outage time.Duration
	// ExternalURL is what templates show as the place to look; it may be empty.
	ExternalURL string
	Log         *slog.Logger          // nil discards
	Registerer  prometheus.Registerer // nil registers nowhere
	// Notify is told of alerts that begin to fire and that are resolved, after the evaluation that
	// found it, from the goroutine of the group. It may be nil. It must not block, and must not call
	// the evaluator. After a restart an alert that still fires is told again, with the same episode.
	Notify func(ctx context.Context, alerts []Alert)
}

// An Evaluator evaluates rule files. Its methods may be called concurrently; Run only once.
type Evaluator struct {
	o   Options
	url *url.URL

	mu      sync.Mutex
	files   []*File
	library *promrules.Manager // nil unless Run runs

	told told
}

// New makes an evaluator of files and starts nothing.
func New(o Options, files []*File) (*Evaluator, error) {
	if o.Query == nil || o.Appendable == nil || o.Queryable == nil {
		return nil, errors.New("evaluate rules: Query, Appendable and Queryable are needed")
	}
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	if o.Outage == 0 {
		o.Outage = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	external, err := url.Parse(o.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("evaluate rules: external URL: %w", err)
	}
	e := &Evaluator{o: o, url: external}
	return e, e.Update(files)
}

// Run evaluates until ctx ends, and returns nil then.
func (e *Evaluator) Run(ctx context.Context) error {
	// The library starts a goroutine a group as soon as it has groups, so it exists only inside Run.
	library := promrules.NewManager(&promrules.ManagerOptions{
		NameValidationScheme: model.UTF8Validation,
		ExternalURL:          e.url,
		QueryFunc:            e.o.Query,
		NotifyFunc:           func(context.Context, string, ...*promrules.Alert) {},
		Context:              ctx,
		Appendable:           e.o.Appendable,
		Queryable:            e.o.Queryable,
		Logger:               e.o.Log,
		Registerer:           e.o.Registerer,
		OutageTolerance:      e.o.Outage,
		GroupLoader:          loader{e},
		Parser:               promQL(),
	})
	if err := e.begin(library); err != nil {
		return err
	}
	defer e.end()
	var group sync.WaitGroup
	group.Go(library.Run)
	<-ctx.Done()
	library.Stop()
	group.Wait()
	return nil
}

func (e *Evaluator) begin(library *promrules.Manager) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.library != nil {
		return errors.New("evaluate rules: already running")
	}
	if err := e.apply(library, e.files); err != nil {
		return err
	}
	e.library = library
	return nil
}

func (e *Evaluator) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.library = nil
}

// Update swaps the files; groups that did not change keep their state. It may be called before and
// during Run. An error leaves everything as it was.
func (e *Evaluator) Update(files []*File) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Name] {
			return fmt.Errorf("evaluate rules: %s is there twice", f.Name)
		}
		seen[f.Name] = true
	}
	before := e.files
	e.files = files
	if e.library == nil {
		return nil
	}
	if err := e.apply(e.library, files); err != nil {
		e.files = before
		return err
	}
	return nil
}

// apply hands files to the library; e.mu is held, and e.files is what its loader sees.
func (e *Evaluator) apply(library *promrules.Manager, files []*File) error {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	if err := library.Update(e.o.Interval, names, labels.EmptyLabels(), e.url.String(), e.evaluate); err != nil {
		return fmt.Errorf("evaluate rules: %w", err)
	}
	e.told.keep(library.RuleGroups())
	return nil
}

// RuleGroups lists the groups with their state, for the Prometheus rules API; none unless Run runs.
func (e *Evaluator) RuleGroups() []*promrules.Group {
	if library := e.running(); library != nil {
		return library.RuleGroups()
	}
	return nil
}

// AlertingRules lists the alerting rules of all groups with their state; none unless Run runs.
func (e *Evaluator) AlertingRules() []*promrules.AlertingRule {
	if library := e.running(); library != nil {
		return library.AlertingRules()
	}
	return nil
}

func (e *Evaluator) running() *promrules.Manager {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.library
}

// A loader gives the library files that are loaded already. It is only asked inside Update and begin,
// under the evaluator's lock.
type loader struct{ e *Evaluator }

// Load returns the groups of the file of that name.
func (l loader) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	for _, f := range l.e.files {
		if f.Name == name {
			return &rulefmt.RuleGroups{Groups: f.Groups}, nil
		}
	}
	return nil, []error{fmt.Errorf("%s is not loaded", name)}
}

// Parse parses an expression.
func (l loader) Parse(expr string) (parser.Expr, error) { return parse(expr) }
