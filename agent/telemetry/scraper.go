package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
)

// A scraper runs Prometheus' scrape manager. It is used by one goroutine, but for metadata.
type scraper struct {
	store *store
	log   *slog.Logger
	m     *metrics

	mu      sync.Mutex
	manager *scrape.Manager // nil while it does not run
	targets chan map[string][]*targetgroup.Group
	stopped sync.WaitGroup
	reg     *prometheus.Registry
	seen    map[string]*sighting // by pool
}

// A sighting is what is known of an endpoint from its last scrape.
type sighting struct {
	at  time.Time
	bad condition
}

// start begins scraping. A plan without scrapes runs no manager.
func (s *scraper) start(p plan) error {
	if len(p.targets) == 0 {
		return nil
	}
	reg := prometheus.NewRegistry()
	manager, err := scrape.NewManager(&scrape.Options{
		PassMetadataInContext:    true,
		DiscoveryReloadInterval:  model.Duration(time.Second),
		DiscoveryReloadOnStartup: true,
	}, quieter(s.log), nil, nil, s.store, reg)
	if err != nil {
		return fmt.Errorf("start scraping: %w", err)
	}
	s.mu.Lock()
	s.manager, s.reg = manager, reg
	s.targets = make(chan map[string][]*targetgroup.Group)
	s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]*sighting{}
	}
	s.stopped.Go(func() { _ = manager.Run(s.targets) }) // ends with Stop, without an error
	return s.apply(p)
}

// apply swaps the plan.
func (s *scraper) apply(p plan) error {
	switch {
	case s.manager == nil:
		return s.start(p)
	case len(p.targets) == 0:
		s.stop()
		return nil
	}
	if err := s.manager.ApplyConfig(p.config); err != nil {
		return fmt.Errorf("apply the scrape configuration: %w", err)
	}
	s.targets <- p.targets
	return nil
}

// stop ends scraping: scrapes under way are cancelled.
func (s *scraper) stop() {
	s.mu.Lock()
	manager := s.manager
	s.manager = nil
	s.mu.Unlock()
	if manager == nil {
		return
	}
	// The manager may still be about to act on the last targets; without any it starts nothing after
	// Stop. The second send returns once the first was taken in.
	s.targets <- nil
	s.targets <- nil
	manager.Stop()
	s.stopped.Wait()
}

// active returns the endpoints, by pool.
func (s *scraper) active() map[string][]*scrape.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.manager == nil {
		return nil
	}
	return s.manager.TargetsActive()
}

// watch counts failed scrapes, and logs once a change that an endpoint answers, or not.
func (s *scraper) watch(ctx context.Context) {
	active := s.active()
	for name := range s.seen {
		if _, ok := active[name]; !ok {
			delete(s.seen, name)
		}
	}
	for name, targets := range active {
		for _, t := range targets {
			s.look(ctx, name, t)
		}
	}
}

func (s *scraper) look(ctx context.Context, pool string, t *scrape.Target) {
	was, ok := s.seen[pool]
	if !ok {
		was = &sighting{}
		s.seen[pool] = was
	}
	at, err := t.LastScrape(), t.LastError()
	if at.IsZero() || at.Equal(was.at) {
		return
	}
	was.at = at
	u := t.URL()
	u.RawQuery = "" // may hold a token
	log := s.log.With("job", t.GetValue("job"), "target", t.GetValue("target"), "url", u.String())
	if err != nil {
		s.m.scrapeFailed.WithLabelValues(t.GetValue("job"), t.GetValue("target")).Inc()
	}
	switch changed := was.bad.became(err); {
	case changed && err != nil:
		log.WarnContext(ctx, "scrape failed: its metrics are unknown until it answers", "error", err)
	case changed:
		log.InfoContext(ctx, "scrape answers again")
	}
}

// registry holds the scrape manager's own metrics; nil while none runs.
func (s *scraper) registry() *prometheus.Registry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.manager == nil {
		return nil
	}
	return s.reg
}
