package agent

import (
	"bytes"
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
	added, err := a.newTargets(a.opts.Config)
	if err != nil {
		return err
	}
	for _, t := range added {
		a.addTarget(t)
	}
	if err := errors.Join(a.restoreActions(), a.restoreReleases(), a.restoreLeaving()); err != nil {
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

// makeTarget makes a target, with what the journal knows of it.
func (a *Agent) makeTarget(cfg config.Target) (*target, error) {
	t := newTarget(cfg, a.drivers)
	text, ok, err := a.journal.Ledger(cfg.Name)
	if err == nil && ok {
		err = json.Unmarshal(text, &t.ledger)
	}
	err = errors.Join(err, a.restoreMeta(episodesKey(cfg.Name), &t.episodes), a.restoreMeta(releasesKey(cfg.Name), &t.releases))
	if err != nil {
		return nil, fmt.Errorf("restore what is known of target %s: %w", cfg.Name, err)
	}
	return t, nil
}

func (a *Agent) addTarget(t *target) {
	a.loop.targets[t.cfg.Name] = t
	a.claims.set(t.cfg.Name, t.claim)
	a.recorder.set(t, a.drivers)
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
	now := time.Now()
	for _, one := range slices.Backward(all) { // oldest first
		a.metrics.Restored(one)
		if now.Sub(one.Since()) < recent {
			a.closeDecision(one)
		}
		t, err := a.placeOf(one)
		switch {
		case err != nil:
			a.log.Error("an unfinished action belongs to a target that is no longer configured", "target", one.TargetName, "action", one.ID, "error", err)
		case t != nil:
			a.restoreAction(t, one, now)
		case !actuators.Final(one.State):
			a.endLeft(one, now)
		}
	}
	return nil
}

// placeOf finds the target that an action is of, nil where the configuration means none or something
// else by its name. What is unfinished has to be ended there all the same.
func (a *Agent) placeOf(one actuators.Action) (*target, error) {
	t := a.loop.targets[one.TargetName]
	if t != nil {
		if spec, err := t.specJSON(one.Driver); err == nil && bytes.Equal(spec, one.SpecJSON) {
			return t, nil
		}
	}
	if !actuators.NeedsRecovery(one) {
		return nil, nil
	}
	left, err := a.adopt(one)
	if err == nil && t != nil {
		left.successor = &t.cfg
	}
	return left, err
}

// endLeft ends an action that waited for what is no longer configured.
func (a *Agent) endLeft(one actuators.Action, now time.Time) {
	t := newTarget(config.Target{Target: policy.Target{Name: one.TargetName}}, nil)
	_ = a.end(t, &one, now, actuators.Cancelled, "what it was to change is no longer configured") // else at the next start
}

func (a *Agent) restoreAction(t *target, one actuators.Action, now time.Time) {
	for _, x := range one.Times {
		if changed(x.State) {
			a.restoreChange(t, one, earlier(x.At, now))
		}
	}
	switch {
	case actuators.NeedsRecovery(one):
		t.takeUp(one)
	case !actuators.Final(one.State):
		t.waiting[one.Resource] = &one
	case actuators.Stays(one.State) && touched(one):
		t.committed[one.Resource] = one
	}
	if one.RetryAfter.After(now) {
		t.tried = append(t.tried, attemptOf(one))
	}
}

// restoreChange notes when a resource was changed, also if the agent was killed before it could note
// the cooldown.
func (a *Agent) restoreChange(t *target, one actuators.Action, at time.Time) {
	t.freshAt[one.Resource] = at.Add(one.Procedure.Validation.Settle)
	if at.After(t.ledger.Last[one.Resource].At) {
		t.ledger = t.ledger.Changed(at, one.Resource, one.Direction)
	}
}

// earlier keeps what the journal says from lying in the future: the clock may have gone back since.
func earlier(x, y time.Time) time.Time {
	if x.Before(y) {
		return x
	}
	return y
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
	t, err := a.makeTarget(cfg)
	if err != nil {
		return nil, err
	}
	t.retired = true
	a.addTarget(t)
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

// forget lets a retired target go, for its successor if it has one.
func (a *Agent) forget(t *target) {
	a.dropClaim(t)
	delete(a.loop.targets, t.cfg.Name)
	a.claims.drop(t.cfg.Name)
	a.recorder.drop(t.cfg.Name)
	a.metrics.Forget(t.cfg.Name)
	if t.successor != nil {
		next, err := a.makeTarget(*t.successor)
		if err != nil {
			a.log.Error("a target is left alone until the next reload", "target", t.cfg.Name, "error", err)
		} else {
			a.addTarget(next)
		}
	}
	a.logError("collect the targets", a.collect(a.telemetryConfig(a.loop.cfg)))
}
