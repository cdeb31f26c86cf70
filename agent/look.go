package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
)

const (
	// lookers bounds the queries in flight: one core's worth for the embedded store, and a few waits at
	// once for a server.
	lookers = 4
	// lingering is how long a query keeps its place. After that it waits for a server, which costs
	// nothing, and must not keep others from theirs.
	lingering = 250 * time.Millisecond
	// together is how long a round waits for all of its targets. Who is later is decided upon later.
	together = time.Second
)

// A look is every signal that was due of some targets, read at one instant.
type look struct {
	cfg      *config.Config // that asked for it
	at       time.Time
	took     time.Duration
	targets  []string
	readings map[subject]map[string]policy.Reading // by signal
}

// A subject is one policy on one target.
type subject struct{ policy, target string }

// beginLook reads the signals of what is due beside the loop. Targets that are still being looked at
// are not looked at twice: what comes of it will be as good.
func (a *Agent) beginLook(ctx context.Context, out chan<- look) {
	now := time.Now().Round(0) // by the wall: a machine that was suspended, or set right, must notice
	fields := a.fields(now)
	if len(fields) == 0 {
		a.log.Debug("signals are still being read; this turn is skipped")
		return
	}
	for _, f := range fields {
		for _, name := range f.targets {
			a.loop.looking[name] = true
		}
	}
	cfg := a.loop.cfg
	a.loop.beside.Go(func() { a.lookAt(ctx, cfg, now, fields, out) })
}

// lookAt looks at several fields and tells of them in one look, but for those that take too long, of
// which it tells one by one.
func (a *Agent) lookAt(ctx context.Context, cfg *config.Config, at time.Time, fields []field, out chan<- look) {
	done := make(chan look, len(fields))
	free := make(chan struct{}, lookers)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, f := range fields {
		wg.Go(func() { done <- a.look(ctx, at, f, free) })
	}
	tell := func(l look) {
		l.cfg, l.took = cfg, time.Since(at)
		slices.Sort(l.targets)
		select {
		case out <- l:
		case <-ctx.Done():
		}
	}
	most := look{at: at, readings: map[subject]map[string]policy.Reading{}}
	patience := time.NewTimer(together)
	defer patience.Stop()
	left := len(fields)
	for waiting := true; waiting && left > 0; {
		select {
		case l := <-done:
			most.add(l)
			left--
		case <-patience.C:
			waiting = false
		}
	}
	if len(most.targets) > 0 {
		tell(most)
	}
	for ; left > 0; left-- {
		tell(<-done)
	}
}

// add joins another look of the same instant.
func (l *look) add(other look) {
	l.targets = append(l.targets, other.targets...)
	maps.Copy(l.readings, other.readings)
}

// look reads the signals of the policies of a field. It runs beside the loop and touches none of its
// state.
func (a *Agent) look(ctx context.Context, at time.Time, f field, free chan struct{}) look {
	l := look{at: at, targets: f.targets, readings: map[subject]map[string]policy.Reading{}}
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	note := func(s subject, signal string, r policy.Reading) {
		r.Signal = signal
		mu.Lock()
		defer mu.Unlock()
		if l.readings[s] == nil {
			l.readings[s] = map[string]policy.Reading{}
		}
		l.readings[s][signal] = r
	}
	for _, p := range f.due {
		if p.Matrix == nil {
			continue
		}
		for signal, expr := range p.Matrix.Signals {
			free <- struct{}{}
			wg.Go(func() {
				leave := sync.OnceFunc(func() { <-free })
				defer leave()
				defer time.AfterFunc(lingering, leave).Stop()
				if !p.ByTarget {
					r := a.senses.Read(ctx, expr, at)
					for _, target := range p.Targets {
						note(subject{p.Name, target}, signal, r)
					}
					return
				}
				by := a.senses.ReadBy(ctx, expr, "target", at)
				for _, target := range p.Targets {
					note(subject{p.Name, target}, signal, telemetry.Pick(by, target))
				}
			})
		}
	}
	wg.Wait()
	return l
}

// evaluate asks every policy that was looked at for its verdict on t.
func (a *Agent) evaluate(ctx context.Context, t *target, l look) {
	for p := range a.loop.policiesOf(t.cfg.Name) {
		readings, ok := l.readings[subject{p.Name, t.cfg.Name}]
		if !ok {
			continue
		}
		s := t.policy(p.Name)
		was := s.last
		s.clocks, s.last = p.Evaluate(t.cfg.Name, s.clocks, policy.Inputs{
			Now: l.at, Readings: readings, FreshAt: t.freshAt, Sizes: t.sizes,
		})
		s.at = l.at
		if s.since.IsZero() {
			s.since = l.at
		}
		a.tellBlind(t, p, s)
		a.tellSight(t, p.Name, s)
		a.diagnosePolicy(ctx, t, p.Name, was, s)
	}
}
