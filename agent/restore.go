package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// history is how long ended actions and decisions are kept.
var history = journal.Retention{Age: 90 * 24 * time.Hour, Actions: 5000, Decisions: 20000}

// restore makes the loop's targets and gives them back what the journal knows of them.
func (a *Agent) restore() error {
	a.prune(time.Now())
	var err error
	if a.loop.freezes, err = a.journal.Freezes(); err != nil {
		return err
	}
	if a.loop.pauses, err = a.journal.Pauses(); err != nil {
		return err
	}
	for _, cfg := range a.opts.Config.Targets {
		if err := a.addTarget(cfg); err != nil {
			return err
		}
	}
	if err := errors.Join(a.restoreActions(), a.restoreReleases()); err != nil {
		return err
	}
	return a.collect(a.telemetryConfig(a.opts.Config))
}

// prune forgets, once a day, what is too old to be asked for.
func (a *Agent) prune(now time.Time) {
	if now.Sub(a.loop.pruned) < 24*time.Hour {
		return
	}
	a.loop.pruned = now
	if _, err := a.journal.Prune(now, history); err != nil {
		a.log.Warn("the journal's history cannot be pruned", "error", err)
	}
}

// addTarget makes a target, with the ledger it had.
func (a *Agent) addTarget(cfg config.Target) error {
	t := newTarget(cfg, a.drivers)
	text, ok, err := a.journal.Ledger(cfg.Name)
	if err == nil && ok {
		err = json.Unmarshal(text, &t.ledger)
	}
	err = errors.Join(err, a.restoreMeta(episodesKey(cfg.Name), &t.episodes), a.restoreMeta(releasesKey(cfg.Name), &t.releases))
	if err != nil {
		return fmt.Errorf("restore what is known of target %s: %w", cfg.Name, err)
	}
	a.loop.targets[cfg.Name] = t
	a.claims.set(cfg.Name, t.claim)
	return nil
}

// restoreMeta reads one of the agent's own notes, if there is one.
func (a *Agent) restoreMeta(key string, into any) error {
	text, ok, err := a.journal.Meta(key)
	if err != nil || !ok {
		return err
	}
	return json.Unmarshal(text, into)
}

// restoreReleases takes up the targets that are no longer configured and were still to be released.
func (a *Agent) restoreReleases() error {
	originals, err := a.journal.Originals("")
	if err != nil {
		return err
	}
	for _, o := range originals {
		var wanted map[policy.Resource]string
		if a.loop.targets[o.Target] != nil || a.restoreMeta(releasesKey(o.Target), &wanted) != nil || wanted[o.Resource] == "" {
			continue
		}
		if _, err := a.adopt(actuators.Action{TargetName: o.Target, Driver: o.Driver, SpecJSON: o.Spec}); err != nil {
			a.log.Error("a release cannot go on", "target", o.Target, "error", err)
		}
	}
	return nil
}

// restoreActions gives every action of the journal back to its target. What was under way is
// recovered as soon as the target's lock is ours.
func (a *Agent) restoreActions() error {
	all, err := a.journal.Actions(journal.ActionFilter{})
	if err != nil {
		return err
	}
	for _, one := range slices.Backward(all) { // oldest first
		t := a.loop.targets[one.TargetName]
		if t == nil {
			if !actuators.NeedsRecovery(one) {
				continue
			}
			if t, err = a.adopt(one); err != nil {
				a.log.Error("an unfinished action belongs to a target that is no longer configured", "target", one.TargetName, "action", one.ID, "error", err)
				continue
			}
		}
		a.restoreAction(t, one)
	}
	return nil
}

func (a *Agent) restoreAction(t *target, one actuators.Action) {
	a.metrics.Restored(one)
	for _, x := range one.Times {
		if changed(x.State) {
			t.freshAt[one.Resource] = x.At.Add(one.Procedure.Validation.Settle)
		}
	}
	switch {
	case actuators.NeedsRecovery(one):
		t.running[one.ID] = one
	case one.State == actuators.Waiting || one.State == actuators.Proposed:
		t.waiting[one.Resource] = &one
	case stays(one.State) && touched(one):
		t.committed[one.Resource] = one
	}
	if one.RetryAfter.After(time.Now()) {
		t.tried = append(t.tried, attemptOf(one))
	}
}

func stays(s actuators.ActionState) bool {
	switch s {
	case actuators.Committed, actuators.Insufficient, actuators.Kept, actuators.Inconclusive:
		return true
	}
	return false
}

// adopt makes a target out of what the journal knows of it, so that an action on it can be ended
// although the configuration no longer names it.
func (a *Agent) adopt(one actuators.Action) (*target, error) {
	spec, err := a.specOf(one)
	if err != nil {
		return nil, err
	}
	cfg := config.Target{
		Target:  policy.Target{Name: one.TargetName, Specs: map[string]any{one.Driver: spec}},
		Drivers: []string{one.Driver}, Procedure: one.Procedure, Safety: a.loop.cfg.Safety,
	}
	if err := a.addTarget(cfg); err != nil {
		return nil, err
	}
	t := a.loop.targets[one.TargetName]
	t.retired = true
	return t, nil
}

// targetOf is the target as the action knew it: the spec of the journal, which is what was changed,
// also if the configuration has moved on.
func (a *Agent) targetOf(t *target, one actuators.Action) policy.Target {
	known := t.cfg.Target
	if spec, err := a.specOf(one); err == nil {
		known.Specs = maps.Clone(known.Specs)
		if known.Specs == nil {
			known.Specs = map[string]any{}
		}
		known.Specs[one.Driver] = spec
	}
	return known
}

func (a *Agent) specOf(one actuators.Action) (any, error) {
	p, ok := a.opts.Registry[one.Driver]
	if !ok {
		return nil, fmt.Errorf("this build has no driver %q", one.Driver)
	}
	spec := p.NewSpec()
	if err := json.Unmarshal(one.SpecJSON, spec); err != nil {
		return nil, fmt.Errorf("where target %s is cannot be read from the journal: %w", one.TargetName, err)
	}
	return spec, nil
}

// forget lets a retired target go, once nothing of it is open.
func (a *Agent) forget(t *target) {
	a.logError("give a target's lock back", t.claim.release())
	delete(a.loop.targets, t.cfg.Name)
	a.metrics.Forget(t.cfg.Name)
	a.logError("stop collecting a target", a.collect(a.telemetryConfig(a.loop.cfg)))
}
