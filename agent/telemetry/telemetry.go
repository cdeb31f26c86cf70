package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/engramd/engramd/actuators"
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
	// Root is where proc and sys are; "" is "/". Tests set it.
	Root string
}

// Telemetry is everything that is measured. Its methods may be called concurrently, also before Run
// and after Close.
type Telemetry struct {
	log      *slog.Logger
	m        *metrics
	registry *prometheus.Registry
	root     string
	store    *store
	looks    looks

	setup   atomic.Pointer[setup]
	changed chan struct{} // has room for one: a setup waits for Run

	scraper    *scraper
	host       *host
	hostWriter *writer
	selfWriter *writer
	conditions map[string]*condition // of the collectors, by name; used by Run's goroutine

	mu         sync.Mutex
	collectors map[string]*collector
	reload     sync.Mutex
}

// A setup is one configuration and what was made of it.
type setup struct {
	Config
	plan   plan
	limit  limit
	engine *engine // over the store
	remote *remote // nil: the embedded store answers
}

// New opens the store, repairing it where it was damaged. It starts nothing that needs Run.
func New(o Options) (*Telemetry, error) {
	log := o.Log.With("component", "telemetry")
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("register the metrics of telemetry: %w", err)
	}
	if o.Root == "" {
		o.Root = "/"
	}
	t := &Telemetry{log: log, m: m, registry: o.Registry, root: o.Root, changed: make(chan struct{}, 1),
		conditions: map[string]*condition{}, collectors: map[string]*collector{}}
	s, err := t.prepare(o.Config)
	if err != nil {
		return nil, err
	}
	t.store, err = openStore(filepath.Join(o.Dir, "metrics"), s.Retention, log, m)
	if err != nil {
		return nil, err
	}
	s.use(t.store, log)
	t.setup.Store(s)
	t.scraper = &scraper{store: t.store, log: log, m: m}
	t.host = &host{root: o.Root, dir: o.Dir}
	t.hostWriter, t.selfWriter = newWriter(t.store), newWriter(t.store)
	t.retarget(context.Background(), s.Targets)
	if err := o.Registry.Register(&storeStat{t.store}); err != nil {
		return nil, errors.Join(fmt.Errorf("register the metrics of the store: %w", err), t.store.close())
	}
	return t, nil
}

const defaultRetention = 15 * 24 * time.Hour

// prepare checks c and makes of it what can fail.
func (t *Telemetry) prepare(c Config) (*setup, error) {
	var errs []error
	if c.Interval <= 0 {
		errs = append(errs, fmt.Errorf("metrics interval %s: must be longer than zero", c.Interval))
	}
	c.Retention = orElse(c.Retention, defaultRetention)
	p, err := newPlan(c)
	errs = append(errs, err)
	s := &setup{Config: c, plan: p, limit: newLimit(c)}
	if c.Remote != nil {
		s.remote, err = newRemote(*c.Remote)
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// use connects the setup to the store.
func (s *setup) use(st *store, log *slog.Logger) {
	s.engine = newEngine(st, s.Interval, readTimeout, nil, log)
	if s.remote != nil {
		s.remote.mixed = newEngine(&mixed{local: st, remote: s.remote}, s.Interval, readTimeout, nil, log)
	}
}

// Reload swaps c in, or reports why it cannot and changes nothing. Run acts on it at once, or when it
// is called.
func (t *Telemetry) Reload(c Config) error {
	t.reload.Lock()
	defer t.reload.Unlock()
	s, err := t.prepare(c)
	if err != nil {
		return err
	}
	if err := t.store.setRetention(context.Background(), s.Retention); err != nil {
		return err
	}
	s.use(t.store, t.log)
	old := t.setup.Swap(s)
	if old.remote != nil {
		old.remote.close()
	}
	t.retarget(context.Background(), s.Targets)
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return nil
}

// retarget makes the collectors those of targets. Who stays keeps its memory, who goes is ended.
func (t *Telemetry) retarget(ctx context.Context, targets []Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.collectors
	t.collectors = map[string]*collector{}
	for _, target := range targets {
		c, ok := old[target.Name]
		if ok {
			c.mu.Lock()
			c.target = target
			c.mu.Unlock()
			delete(old, target.Name)
		} else {
			c = newCollector(target, t.root, t.store, t.log)
		}
		t.collectors[target.Name] = c
	}
	for _, c := range old {
		c.writer.end(ctx, time.Now())
	}
}

func (t *Telemetry) collector(target string) (*collector, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.collectors[target]
	return c, ok
}

// Close closes the store. It is idempotent. After it nothing is stored, and signals are unknown.
func (t *Telemetry) Close() error {
	if s := t.setup.Load(); s.remote != nil {
		s.remote.close()
	}
	return t.store.close()
}

// source chooses who answers an expression.
func (t *Telemetry) source(l *look) (source, limit) {
	s := t.setup.Load()
	switch {
	case s.remote == nil || !l.remote:
		return s.engine, s.limit
	case l.local:
		return s.remote.mixed, s.limit
	}
	return s.remote, s.limit
}

// trusted reports why nothing can be known at all of what is stored here.
func (t *Telemetry) trusted(l *look, lim limit, at time.Time) error {
	if s := t.setup.Load(); s.remote != nil && !l.local {
		return nil
	}
	now := time.Now()
	if d := t.store.behind(now); d > lim.usual/3 {
		return fmt.Errorf("the clock is %s behind the newest sample: it went back", d.Round(time.Second))
	}
	if l.absent {
		// That a metric is absent is only known while something is measured at all.
		if newest := t.store.newest.Load(); newest < at.Add(-lim.usual).UnixMilli() {
			return errors.New("nothing at all was measured in the last three intervals")
		}
	}
	return nil
}

// Query evaluates expr for the rules: with a remote source there, engramd_* here. It is a
// rules.QueryFunc.
func (t *Telemetry) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	l, err := t.looks.get(expr)
	if err != nil {
		return nil, err
	}
	src, lim := t.source(l)
	if err := t.trusted(l, lim, at); err != nil {
		return nil, err
	}
	v, err := src.instant(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	return vector(v)
}

// Storage is the store, for the rules' own series (ALERTS, recording rules).
func (t *Telemetry) Storage() Storage { return t.store }

// Storage is what the rules need of the store.
type Storage interface {
	storage.Queryable
	storage.Appendable
	storage.AppendableV2
}

var (
	_ actuators.Querier = (*Telemetry)(nil)
	_ actuators.Meter   = (*Telemetry)(nil)
	_ rules.QueryFunc   = (*Telemetry)(nil).Query
)
