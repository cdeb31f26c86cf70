package agent

import (
	"context"
	"sync"
	"time"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
)

// lookers bounds the queries in flight: one core's worth for the embedded store, and a few waits at
// once for a server.
const lookers = 4

// A look is every signal that was due, read at one instant.
type look struct {
	at       time.Time
	took     time.Duration
	readings map[subject]map[string]policy.Reading // by signal
}

// A subject is one policy on one target.
type subject struct{ policy, target string }

// due lists the policies whose turn it is. A quarter of an interval early counts, or a ticker that
// drifts would skip every other turn.
func (a *Agent) due(now time.Time) []config.Policy {
	var due []config.Policy
	for _, p := range a.loop.cfg.Policies {
		for _, name := range p.Targets {
			t, ok := a.loop.targets[name]
			if ok && now.Sub(t.policy(p.Name).at) >= p.Every-p.Every/4 {
				due = append(due, p)
				break
			}
		}
	}
	return due
}

// look reads the signals of the policies. It runs beside the loop and touches none of its state.
func (a *Agent) look(ctx context.Context, due []config.Policy) look {
	l := look{at: time.Now(), readings: map[subject]map[string]policy.Reading{}}
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		free = make(chan struct{}, lookers)
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
	for _, p := range due {
		if p.Matrix == nil {
			continue
		}
		for signal, expr := range p.Matrix.Signals {
			free <- struct{}{}
			wg.Go(func() {
				defer func() { <-free }()
				if !p.ByTarget {
					r := a.senses.Read(ctx, expr, l.at)
					for _, target := range p.Targets {
						note(subject{p.Name, target}, signal, r)
					}
					return
				}
				by := a.senses.ReadBy(ctx, expr, "target", l.at)
				for _, target := range p.Targets {
					note(subject{p.Name, target}, signal, telemetry.Pick(by, target))
				}
			})
		}
	}
	wg.Wait()
	l.took = time.Since(l.at)
	return l
}

// evaluate asks every policy that was looked at for its verdict on t.
func (a *Agent) evaluate(t *target, l look) {
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
		a.tellBlind(t, p.Name, was, s.last)
	}
}
