package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// situation gathers everything that is known of a target in that state.
func (a *Agent) situation(t *target, state actuators.State, now time.Time) policy.Situation {
	cfg := a.loop.cfg
	use := a.senses.Used(t.cfg.Name, now.Add(-3*cfg.Metrics.Interval), now)
	t.runtime = use.Runtime
	s := policy.Situation{
		Now:       now,
		Target:    t.subject(),
		AgentMode: cfg.Mode,
		Sizes:     t.sizes,
		Parts:     len(state.Parts),
		Owners:    t.owners(a.drivers),
		Host:      a.host(t, now),
		Proposals: a.alertProposals(t, now),
		Ledger:    t.ledger,
		Shadow:    t.shadow,
		Safety: policy.Safety{
			Cooldown: policy.Cooldown{Up: t.cfg.Safety.CooldownUp, Down: t.cfg.Safety.CooldownDown},
			Budget:   policy.Budget(t.cfg.Safety.Budget),
		},
		Frozen:      a.loop.frozen(t.cfg.Name),
		Paused:      a.loop.paused(t.cfg.Name),
		Actions:     t.open(),
		Tried:       t.tried,
		Window:      a.window(t),
		Need:        need(t.cfg.Procedure),
		DemandCores: use.Cores,
		Floors:      t.floors(),
	}
	if n, ok := use.InUse(); ok {
		s.WorkingSet = &n
	}
	for p := range a.loop.policiesOf(t.cfg.Name) {
		st, ok := t.policies[p.Name]
		if !ok || st.at.IsZero() {
			continue
		}
		e := st.last
		if !st.at.Equal(now) {
			e.Proposals = nil // it speaks again at its own turn; until then only its veto holds
		}
		s.Evaluations = append(s.Evaluations, e)
	}
	s.Proposals = append(s.Proposals, a.stillWaiting(t, s)...)
	return s
}

// errStale says that a target has not been observed since it was changed. It will be soon.
var errStale = errors.New("not observed since its last change")

// seen returns what the target had at the last collection, and notes its sizes; or it says why nothing
// can be decided.
func (a *Agent) seen(t *target, now time.Time) (actuators.State, error) {
	if len(t.cfg.Drivers) == 0 {
		return actuators.State{}, errors.New("no driver of this agent knows the target")
	}
	var state actuators.State
	sizes := policy.Size{}
	for i, name := range t.cfg.Drivers {
		s := t.observer.last(name)
		if s.err != nil {
			return state, fmt.Errorf("%s cannot be observed: %w", t.cfg.Name, s.err)
		}
		if s.at.Before(t.changedAt) {
			return state, errStale
		}
		if age := now.Sub(s.at); age > 3*a.loop.cfg.Metrics.Interval+a.loop.cfg.Metrics.Timeout {
			return state, fmt.Errorf("%s was observed last %s ago", t.cfg.Name, age.Round(time.Second))
		}
		for _, p := range s.state.Parts {
			for r, q := range p.Configured {
				if _, ok := sizes[r]; !ok {
					sizes[r] = q
				}
			}
		}
		if i == 0 {
			state = s.state
		}
	}
	if len(state.Parts) == 0 {
		return state, fmt.Errorf("%s has no part that could be changed", t.cfg.Name)
	}
	t.sizes = sizes
	return state, nil
}

// window is the target's maintenance window, nil if none is declared.
func (a *Agent) window(t *target) *policy.MaintenanceWindow {
	return a.loop.windows[t.cfg.MaintenanceWindow]
}

// need is how long a restart takes at most.
func need(p actuators.Procedure) time.Duration {
	d := p.StopTimeout + p.Validation.Settle
	if p.Drain != nil {
		d += p.Drain.Settle
	}
	if p.Health != nil {
		d += p.Health.Timeout
	}
	return d
}

// stillWaiting proposes again what waits and what no policy proposed this time: its row has held
// lately, and it is decided again like anything else.
func (a *Agent) stillWaiting(t *target, s policy.Situation) []policy.Proposal {
	var again []policy.Proposal
	for _, r := range sortedKeys(t.waiting) {
		if proposed(s, r) {
			continue
		}
		p := t.waiting[r].Decision.Proposal
		p.Mode, _ = a.asks(t, p)
		p.From, p.To, p.Direction = policy.Quantity{}, policy.Quantity{}, ""
		again = append(again, p)
	}
	return again
}

func proposed(s policy.Situation, r policy.Resource) bool {
	for _, e := range s.Evaluations {
		for _, p := range e.Proposals {
			if p.Change.Resource == r {
				return true
			}
		}
	}
	for _, p := range s.Proposals {
		if p.Change.Resource == r {
			return true
		}
	}
	return false
}
