package events

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/prometheus/client_golang/prometheus"
)

// lastWords bounds how long Run goes on delivering once it was told to end.
const lastWords = 5 * time.Second

// A Sink takes events and hands them to every receiver. It implements
// [github.com/engramd/engramd/actuators.EventSink].
type Sink struct {
	log   *slog.Logger
	count *counters

	mu sync.RWMutex
	// generations are oldest first: the last takes events, those before it have some left.
	generations []*generation
}

// A generation is the receivers of one configuration.
type generation struct {
	outlets  []*outlet
	replaced chan struct{}
	client   []*http.Client
}

// New makes the receivers of cfg and registers the counters of what was delivered and what was
// dropped. It opens no file and connects to nothing.
func New(cfg Config, log *slog.Logger, registry prometheus.Registerer) (*Sink, error) {
	count, err := newCounters(registry)
	if err != nil {
		return nil, err
	}
	s := &Sink{log: log, count: count}
	first, err := s.generation(cfg)
	if err != nil {
		return nil, err
	}
	s.generations = []*generation{first}
	return s, nil
}

// Reload puts the receivers of cfg in place of those before, or changes nothing and says why. Events
// that are queued already still go to the old ones, within the bound of a shutdown.
func (s *Sink) Reload(cfg Config) error {
	next, err := s.generation(cfg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.generations[len(s.generations)-1].replaced)
	s.generations = append(s.generations, next)
	return nil
}

// Emit queues an event for every receiver and returns at once.
func (s *Sink) Emit(e policy.Event) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.generations[len(s.generations)-1].outlets {
		o.offer(e)
	}
}

// Run delivers events until ctx ends, then what is queued, for a few seconds at most. It joins
// everything it started.
func (s *Sink) Run(ctx context.Context) error {
	for more := true; more; more = s.next() || ctx.Err() == nil {
		s.mu.RLock()
		g := s.generations[0]
		s.mu.RUnlock()
		g.run(ctx)
	}
	return nil
}

// next drops the oldest generation if there is one after it.
func (s *Sink) next() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.generations) == 1 {
		return false
	}
	s.generations = s.generations[1:]
	return true
}

// run delivers to one generation until it is replaced or ctx ends.
func (g *generation) run(ctx context.Context) {
	// Deliveries outlive ctx by lastWords.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ending := make(chan struct{})
	var wg sync.WaitGroup
	for _, o := range g.outlets {
		wg.Go(func() { o.run(working, ending) })
	}
	select {
	case <-ctx.Done():
	case <-g.replaced:
	}
	close(ending)
	bound := time.AfterFunc(lastWords, stop)
	wg.Wait()
	bound.Stop()
	for _, c := range g.client {
		c.CloseIdleConnections()
	}
}

// generation makes the receivers of a configuration.
func (s *Sink) generation(cfg Config) (*generation, error) {
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &generation{replaced: make(chan struct{})}
	g.outlets = append(g.outlets, s.outlet("log", policy.Info, logger{s.log}))
	if cfg.Dir != "" {
		g.outlets = append(g.outlets, s.outlet("file", policy.Info, &file{dir: cfg.Dir, maxBytes: cfg.MaxBytes, keep: cfg.Keep}))
	}
	if r := cfg.Alertmanager; r != nil {
		p, err := g.poster(r)
		if err != nil {
			return nil, fmt.Errorf("events: alertmanager: %w", err)
		}
		// What ends an alert is Info: the filter is the receiver's own.
		g.outlets = append(g.outlets, s.outlet("alertmanager", policy.Info, newAlertmanager(p, cfg, r.MinSeverity)))
	}
	if r := cfg.Webhook; r != nil {
		p, err := g.poster(r)
		if err != nil {
			return nil, fmt.Errorf("events: webhook: %w", err)
		}
		g.outlets = append(g.outlets, s.outlet("webhook", r.MinSeverity, &webhook{poster: p, source: cfg.Source}))
	}
	return g, nil
}

func (g *generation) poster(r *Receiver) (*poster, error) {
	p, err := newPoster(r)
	if err == nil {
		g.client = append(g.client, p.client)
	}
	return p, err
}
