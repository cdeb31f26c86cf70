package telemetry

import (
	"context"
	"sync"
	"time"
)

// concurrentReads bounds how many targets are asked at once.
const concurrentReads = 8

// Run scrapes and collects until ctx ends, and returns nil then. It joins everything that it started.
func (t *Telemetry) Run(ctx context.Context) error {
	var reads sync.WaitGroup
	defer reads.Wait()
	r := &round{t: t, reads: &reads, slots: make(chan struct{}, concurrentReads)}
	plans := make(chan plan, 1)
	reads.Go(func() { t.scrape(ctx, plans) })

	s := t.setup.Load()
	plans <- s.plan
	ticker := time.NewTicker(s.Interval)
	defer ticker.Stop()
	for {
		t.checkClock(ctx)
		r.run(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-t.changed:
			s = t.setup.Load()
			ticker.Reset(s.Interval)
			select {
			case <-plans: // an older one that nobody has taken
			default:
			}
			plans <- s.plan
		}
	}
}

// scrape owns the scraper: it applies plans, and watches the endpoints. Applying may take long, as the
// scrape manager looks up this host's name.
func (t *Telemetry) scrape(ctx context.Context, plans <-chan plan) {
	defer t.scraper.stop()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-plans:
			if err := t.scraper.apply(p); err != nil {
				t.log.ErrorContext(ctx, "the scrapes could not be started", "error", err)
			}
		case <-ticker.C:
			t.scraper.watch(ctx)
		}
	}
}

// checkClock throws away the future when the clock went back beyond waiting.
func (t *Telemetry) checkClock(ctx context.Context) {
	now := time.Now()
	if t.store.behind(now) <= clockTolerance {
		return
	}
	if err := t.store.rewind(ctx, now); err != nil {
		t.log.ErrorContext(ctx, "the metric store could not be set back to the clock; it takes no samples until it can", "error", err)
	}
}

// A round is one reading of everything.
type round struct {
	t     *Telemetry
	reads *sync.WaitGroup
	slots chan struct{}
}

// run reads the host and the agent itself, and lets every target be read that is not being read
// still. It does not wait for targets: one that hangs holds up nobody.
func (r *round) run(ctx context.Context) {
	t := r.t
	t.collectHost(ctx)
	t.collectSelf(ctx)
	blind := 0
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.collectors {
		if c.isBlind() {
			blind++
		}
		if !c.begin() {
			continue
		}
		r.reads.Go(func() {
			select {
			case r.slots <- struct{}{}:
				defer func() { <-r.slots }()
			case <-ctx.Done():
				c.end()
				return
			}
			began := time.Now()
			err := c.collect(ctx)
			t.m.collectTook.WithLabelValues("target").Observe(time.Since(began).Seconds())
			if err != nil {
				t.m.collectFailed.WithLabelValues("target").Inc()
			}
		})
	}
	t.m.targetsBlind.Set(float64(blind))
}

// collected notes how a collector of the host or of the agent did.
func (t *Telemetry) collected(ctx context.Context, name string, began time.Time, err error) {
	t.m.collectTook.WithLabelValues(name).Observe(time.Since(began).Seconds())
	if err != nil {
		t.m.collectFailed.WithLabelValues(name).Inc()
	}
	c, ok := t.conditions[name]
	if !ok {
		c = &condition{}
		t.conditions[name] = c
	}
	switch changed := c.became(err); {
	case changed && err != nil:
		t.log.WarnContext(ctx, "some measurements cannot be taken", "collector", name, "error", err)
	case changed:
		t.log.InfoContext(ctx, "all measurements are taken again", "collector", name)
	}
}
