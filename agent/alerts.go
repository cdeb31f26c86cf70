package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// undoCommitted is how long after its commit an alert may still take a change back.
const undoCommitted = 30 * time.Minute

// alertProposals is what the alerts that fire for t propose. An alert acts once a firing episode on each
// resource, on evidence from after the last change of what it changes.
func (a *Agent) alertProposals(t *target, now time.Time) []policy.Proposal {
	var all []policy.Proposal
	for _, b := range a.loop.cfg.Rules.OnAlert {
		alert, ok := a.firing(b, t.cfg.Name)
		if !ok {
			continue
		}
		for _, c := range b.Changes {
			acted := t.episodes[episodeOf(b.Alert, c.Resource)] == alert.Episode
			if !acted && policy.Fresh(now, t.freshAt[c.Resource], b.LongestRange+now.Sub(alert.ActiveAt)) {
				all = append(all, proposalOf(b, alert, c, now))
			}
		}
	}
	return all
}

// episodeOf names what an alert does: one binding of it may change CPU, another memory, and a third
// one take changes back, each once an episode.
func episodeOf(alert string, r policy.Resource) string { return alert + "/" + string(r) }

// rollback stands for a resource where an alert takes changes back.
const rollback policy.Resource = "rollback"

func proposalOf(b config.Binding, alert rules.Alert, c policy.Change, now time.Time) policy.Proposal {
	p := policy.Proposal{
		Target: b.Target, Policy: b.Alert, Source: policy.FromAlert, Row: -1, Condition: "alert " + b.Alert + " fires", Verdict: verdictOf(b),
		Change: c, Mode: b.Mode, AtDead: b.AtDeadline, Why: b.Why,
		Readings: []policy.Reading{{Signal: b.Alert, Expr: alert.Expr, Value: alert.Value, Known: true, At: now}},
	}
	if b.Within > 0 {
		p.Deadline = alert.FiredAt.Add(b.Within)
	}
	if p.Why == "" {
		p.Why = alert.Annotations["summary"]
	}
	return p
}

// verdictOf is what a binding has done, beside a diagnosis.
func verdictOf(b config.Binding) policy.Verdict {
	if b.Rollback {
		return policy.Verdict(rollback)
	}
	for _, v := range b.Do {
		if v != policy.Diagnose {
			return v
		}
	}
	if len(b.Changes) == 0 {
		return policy.Diagnose
	}
	return policy.Scale
}

// speaksOf reports whether an alert is the one of a binding, and of its target: it names that, or none at all.
func speaksOf(b config.Binding, one rules.Alert) bool {
	named, has := one.Labels["target"]
	return one.Name == b.Alert && (!has || named == b.Target)
}

// firing returns the firing alert of a binding for a target: one that names it, or no target at all.
func (a *Agent) firing(b config.Binding, target string) (rules.Alert, bool) {
	if b.Target != target {
		return rules.Alert{}, false
	}
	for _, one := range a.alerts.Alerts() {
		if one.Err == nil && one.State == rules.Firing && speaksOf(b, one) { // of one whose query fails, what it says is old
			return one, true
		}
	}
	return rules.Alert{}, false
}

// alertFires reports whether the alert that a waiting action came from still fires.
func (a *Agent) alertFires(t *target, name string) bool {
	for _, b := range a.loop.cfg.Rules.OnAlert {
		if b.Alert == name {
			if _, ok := a.firing(b, t.cfg.Name); ok {
				return true
			}
		}
	}
	return false
}

// noteEpisode remembers that an alert has led to an action.
func (a *Agent) noteEpisode(t *target, d policy.Decision) {
	if d.Source != policy.FromAlert {
		return
	}
	alert, ok := a.firing(config.Binding{Alert: d.Policy, Target: t.cfg.Name}, t.cfg.Name)
	if ok {
		a.noteActed(t, episodeOf(d.Policy, d.Change.Resource), alert)
	}
}

// noteActed writes down that an alert has done its work in this firing episode, so that a restart does
// not do it again.
func (a *Agent) noteActed(t *target, what string, alert rules.Alert) {
	t.episodes[what] = alert.Episode
	text, err := json.Marshal(t.episodes)
	if err == nil {
		err = a.journal.PutMeta(episodesKey(t.cfg.Name), text)
	}
	a.logError("keep the alerts acted on", err)
}

// rollBackOnAlerts takes back, for each alert that is bound to a rollback and begins to fire, what is
// being validated or was committed lately, and reports whether it did. A change that is just being
// made is waited for: it can only be taken back once it is whole.
func (a *Agent) rollBackOnAlerts(ctx context.Context, t *target, now time.Time) bool {
	for _, b := range a.loop.cfg.Rules.OnAlert {
		alert, ok := a.firing(b, t.cfg.Name)
		if !ok || !b.Rollback || t.episodes[episodeOf(b.Alert, rollback)] == alert.Episode {
			continue
		}
		if t.changing() {
			return true
		}
		a.noteActed(t, episodeOf(b.Alert, rollback), alert)
		if a.takeBack(ctx, t, fmt.Sprintf("alert %s fires: %s", b.Alert, alert.Annotations["summary"]), now) {
			return true
		}
	}
	return false
}

// changing reports whether the target is just being changed, or is about to be.
func (t *target) changing() bool {
	return slices.ContainsFunc(t.open(), func(one policy.OpenAction) bool { return actuators.Exclusive(one.State) })
}

// takeBack has everything taken back that is being watched, or else the newest of what was committed
// lately. Which of several changes hurt nobody knows; the last one comes first.
func (a *Agent) takeBack(ctx context.Context, t *target, reason string, now time.Time) bool {
	if len(t.running) > 0 {
		for _, id := range sortedKeys(t.running) {
			a.order(id, reason, a.executor.RollbackUnneeded)
		}
		return true
	}
	var last actuators.Action
	for _, one := range t.committed {
		if now.Sub(one.Since()) < undoCommitted && one.Since().After(last.Since()) {
			last = one
		}
	}
	if last.ID == "" {
		return false
	}
	last.Target = a.targetOf(t, last)
	if err := a.executor.Undo(a.acting(ctx), last, reason); err != nil {
		a.logError("undo for an alert", err)
		return false
	}
	last.State = actuators.RollingBack // as it will be once it has looked at the target
	t.running[last.ID] = last
	return true
}

func episodesKey(target string) string { return "episodes/" + target }

// notifyAlerts passes alerts on as events. Rules call it from their own goroutines.
func (a *Agent) notifyAlerts(_ context.Context, alerts []rules.Alert) {
	for _, one := range alerts {
		severity := policy.Severity(one.Labels["severity"])
		switch severity {
		case policy.Info, policy.Warning, policy.Critical:
		default:
			severity = policy.Warning
		}
		state := "fires"
		if one.State != rules.Firing {
			state, severity = "is over", policy.Info
		}
		a.emit(policy.Event{
			Type: policy.EventAlert, Severity: severity, Target: one.Labels["target"],
			Message: fmt.Sprintf("alert %s %s: %s", one.Name, state, one.Annotations["summary"]),
			Details: one.Annotations,
		})
	}
}
