package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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
		Paused:      a.paused(t),
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
	a.placeOn(&s, t, state)
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
	var hours []policy.Proposal
	s.Target.Limits, hours = a.scheduled(s)
	s.Rightsize = a.loop.followed(t.cfg.Name)
	s.Proposals = append(s.Proposals, slices.Concat(hours, a.follow(t, s))...)
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
	sizes, paused := policy.Size{}, ""
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
		for r, q := range sizesOf(s.state.Parts) {
			if _, ok := sizes[r]; !ok {
				sizes[r] = q
			}
		}
		paused = cmp.Or(paused, s.state.Paused)
		if i == 0 {
			state = s.state
		}
	}
	if len(state.Parts) == 0 {
		return state, fmt.Errorf("%s has no part that could be changed", t.cfg.Name)
	}
	t.sizes = sizes
	a.notePaused(t, paused)
	return state, nil
}

// sizesOf is what most of the parts have of each resource, as configured; of as many the ones that have
// run the longest. Parts that have just come may differ for a while.
func sizesOf(parts []actuators.Part) policy.Size {
	sizes, votes := policy.Size{}, map[policy.Resource]map[policy.Quantity]int{}
	older := func(x, y actuators.Part) int { return x.StartedAt.Compare(y.StartedAt) }
	for _, p := range slices.SortedStableFunc(slices.Values(parts), older) {
		for r := range p.Configured {
			q, _ := p.Size(r)
			if votes[r] == nil {
				votes[r], sizes[r] = map[policy.Quantity]int{}, q
			}
			if votes[r][q]++; votes[r][q] > votes[r][sizes[r]] {
				sizes[r] = q
			}
		}
	}
	return sizes
}

// paused returns why nothing of the target is to be touched: as it was asked of engramd, or on the
// platform; nil if nobody did.
func (a *Agent) paused(t *target) *policy.Pause {
	if p := a.loop.paused(t.cfg.Name); p != nil || t.paused == "" {
		return p
	}
	return &policy.Pause{Reason: t.paused}
}

// notePaused tells once that somebody paused the target on the platform, and once that it is over.
func (a *Agent) notePaused(t *target, why string) {
	was := t.paused
	if t.paused = why; (was == "") == (why == "") {
		return
	}
	message := "paused on the platform: " + why
	if why == "" {
		message = t.cfg.Name + " is no longer paused on the platform"
	}
	a.metrics.Paused(t.cfg.Name, a.paused(t) != nil)
	a.emit(policy.Event{Type: policy.EventPause, Severity: policy.Info, Target: t.cfg.Name, Message: message})
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
		p := t.waiting[r].Decision.Proposal
		if proposed(s, r) || p.Source == policy.FromTarget { // it is proposed whenever it is not so
			continue
		}
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
