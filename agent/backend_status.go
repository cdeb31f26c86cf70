package agent

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// Status shows how the agent and its targets are.
func (a *Agent) Status(ctx context.Context) (api.Status, error) {
	return call(ctx, a.inbox, func() (api.Status, error) {
		cfg := a.loop.cfg
		now := time.Now()
		s := api.Status{
			Version: a.opts.Version, PID: os.Getpid(), StartedAt: a.started, Now: now, Mode: cfg.Mode, DataDir: cfg.DataDir,
			Config:  api.ConfigView{Path: cfg.Path, Hash: cfg.Hash, LoadedAt: a.loop.loaded, Refused: a.loop.refused},
			Loop:    api.LoopView{LastAt: a.loop.last, DurationSeconds: a.loop.took.Seconds()},
			Metrics: api.MetricsView{Source: "embedded", IntervalSeconds: cfg.Metrics.Interval.Seconds(), Scrapes: a.scrapes()},
			Targets: []api.TargetStatus{}, Node: a.node.view(),
		}
		if cfg.Metrics.Prometheus != nil {
			s.Metrics.Source = cfg.Metrics.Prometheus.URL
		}
		for _, w := range cfg.Warnings {
			s.Config.Warnings = append(s.Config.Warnings, w.String())
		}
		if err := a.ready(); err != nil {
			s.NotReady = err.Error()
		}
		for _, p := range a.loop.pauses {
			if p.Target == "" {
				v := pauseView(p)
				s.Pause = &v
			}
		}
		for _, name := range a.loop.names() {
			s.Targets = append(s.Targets, a.targetStatus(a.loop.targets[name], now))
		}
		return s, nil
	})
}

func (a *Agent) targetStatus(t *target, now time.Time) api.TargetStatus {
	s := api.TargetStatus{
		Name: t.cfg.Name, Platform: strings.Join(t.cfg.Drivers, ", "),
		Mode:    policy.EffectiveMode(a.loop.cfg.Mode, t.cfg.Mode, ""),
		Budget:  a.budgetView(t, now),
		Runtime: t.inside(),
	}
	s.State, s.Detail = a.stateOf(t, now)
	if reason, holder := t.claim.standby(); reason != "" && holder != nil {
		s.Holder = &api.HolderView{PID: holder.PID, DataDir: holder.DataDir, Since: holder.Since}
	}
	for _, p := range a.loop.pauses {
		if p.Target == t.cfg.Name {
			v := pauseView(p)
			s.Pause = &v
		}
	}
	if s.Pause == nil && t.paused != "" {
		s.Pause = &api.PauseView{Target: t.cfg.Name, Reason: t.paused, By: "the platform"}
	}
	if w := a.window(t); w != nil {
		s.Window = windowView(w, now)
	}
	s.Resources = a.resourceStatus(t, now)
	for p := range a.loop.policiesOf(t.cfg.Name) {
		s.Policies = append(s.Policies, policyStatus(p.Name, t.policy(p.Name)))
	}
	s.Policies = append(s.Policies, a.rightsizeStatus(t)...)
	s.Policies = append(s.Policies, a.alertStatus(t)...)
	for _, w := range t.waiting {
		s.Actions = append(s.Actions, api.ViewAction(*w))
	}
	for _, r := range t.running {
		s.Actions = append(s.Actions, api.ViewAction(r))
	}
	slices.SortFunc(s.Actions, func(x, y api.ActionView) int { return cmp.Compare(x.ID, y.ID) })
	return s
}

// stateOf is the one word for how a target is, and a sentence about it.
func (a *Agent) stateOf(t *target, now time.Time) (api.TargetState, string) {
	if one := a.loop.leaving[t.cfg.Name]; one != nil && one.Done {
		return api.TargetFrozen, "released by " + one.By + ", and nothing of engramd is left on it: engramd unfreeze " + t.cfg.Name
	}
	if reason, _ := t.claim.standby(); reason != "" {
		return api.TargetStandby, reason
	}
	if t.blind != "" {
		return api.TargetAbsent, t.blind
	}
	for _, f := range a.loop.freezes {
		if f.Target == t.cfg.Name {
			return api.TargetFrozen, resourceName(f.Resource) + ": " + f.Reason
		}
	}
	if p := a.paused(t); p != nil {
		return api.TargetPaused, p.Reason
	}
	if ids := sortedKeys(t.running); len(ids) > 0 {
		one := t.running[ids[0]]
		return api.TargetActing, string(one.Resource) + " " + sizes(one.Decision) + ": " + string(one.State)
	}
	if all := sortedKeys(t.waiting); len(all) > 0 {
		w := t.waiting[all[0]]
		return api.TargetWaiting, string(w.Resource) + " " + sizes(w.Decision) + ": " + w.Reason
	}
	for _, name := range sortedKeys(t.policies) {
		if t.policies[name].last.Blind {
			return api.TargetBlind, name + ": " + t.policies[name].last.Text
		}
	}
	return api.TargetOK, ""
}

func (a *Agent) resourceStatus(t *target, now time.Time) []api.ResourceStatus {
	originals, err := a.journal.Originals(t.cfg.Name)
	a.logError("read the originals", err)
	use := a.senses.Used(t.cfg.Name, now.Add(-3*a.loop.cfg.Metrics.Interval), now)
	effective := t.effective()
	cool := policy.Cooldown{Up: t.cfg.Safety.CooldownUp, Down: t.cfg.Safety.CooldownDown}
	var all []api.ResourceStatus
	for _, r := range sortedKeys(t.sizes) {
		s := api.ResourceStatus{
			Resource: r, Configured: t.sizes[r], Effective: effective[r], Desired: t.desired(r), Used: used(use, r),
			Min: t.cfg.Limits[r].Min, Max: t.cfg.Limits[r].Max,
			CooldownUp:   t.ledger.CooldownEnds(now, r, policy.Growth, cool),
			CooldownDown: t.ledger.CooldownEnds(now, r, policy.Decrease, cool),
		}
		for _, f := range a.loop.freezes {
			if f.Target == t.cfg.Name && (f.Resource == r || f.Resource == "") {
				v := freezeView(f)
				s.Freeze = &v
			}
		}
		for _, o := range originals {
			if o.Resource == r {
				s.Original = o.Size
			}
		}
		all = append(all, s)
	}
	return all
}

// desired is what the agent would have a resource be.
func (t *target) desired(r policy.Resource) policy.Quantity {
	for _, one := range t.running {
		if one.Resource == r && one.State != actuators.RollingBack {
			return one.To
		}
	}
	return t.sizes[r]
}

// effective is what holds on the platform, of the first part.
func (t *target) effective() policy.Size {
	all := policy.Size{}
	for _, name := range t.cfg.Drivers {
		for _, p := range t.observer.last(name).state.Parts {
			for r, q := range p.Effective {
				if _, ok := all[r]; !ok {
					all[r] = q
				}
			}
		}
	}
	return all
}

func used(u actuators.Usage, r policy.Resource) *int64 {
	switch {
	case r == policy.CPU && u.Cores != nil:
		n := int64(*u.Cores * 1000)
		return &n
	case r == policy.Memory:
		return u.WorkingSet
	}
	return nil
}

func (a *Agent) budgetView(t *target, now time.Time) *api.BudgetView {
	of := t.cfg.Safety.Budget
	left := t.ledger.Left(now, policy.Budget(of))
	return &api.BudgetView{
		HourLeft: left.Hour, HourOf: of.PerHour, DayLeft: left.Day, DayOf: of.PerDay,
		EmergenciesLeft: left.Emergencies, EmergenciesOf: of.EmergenciesPerDay,
	}
}

func policyStatus(name string, p *policyState) api.PolicyStatus {
	e := p.last
	s := api.PolicyStatus{Name: name, Kind: "matrix", Verdict: e.Verdict, Row: e.Row, Condition: e.Condition, Why: e.Text, Readings: e.Readings}
	if e.Blind {
		s.Verdict = policy.Blind
	}
	if e.Pending != nil {
		s.Since = e.Pending.Since
	}
	return s
}

func windowView(w *policy.MaintenanceWindow, now time.Time) *api.WindowView {
	o, open := w.Open(now)
	if !open {
		if o, open = w.Next(now); !open {
			return nil
		}
	}
	return &api.WindowView{Name: w.Name, Start: o.Opens, End: o.Closes}
}
