package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// undoCommitted is how long after its commit an alert may still take a change back.
const undoCommitted = 30 * time.Minute

// orderTimeout bounds how long the loop waits for an action to take an order.
const orderTimeout = 5 * time.Second

// alertProposals is what the alerts that fire for t propose. An alert acts once a firing episode, on
// evidence from after the last change of what it changes.
func (a *Agent) alertProposals(t *target, now time.Time) []policy.Proposal {
	var all []policy.Proposal
	for _, b := range a.loop.cfg.Rules.OnAlert {
		alert, ok := a.firing(b, t.cfg.Name)
		if !ok || t.episodes[b.Alert] == alert.Episode {
			continue
		}
		for _, c := range b.Changes {
			if !policy.Fresh(now, t.freshAt[c.Resource], b.LongestRange+now.Sub(alert.ActiveAt)) {
				continue
			}
			all = append(all, proposalOf(b, alert, c, now))
		}
	}
	return all
}

func proposalOf(b config.Binding, alert rules.Alert, c policy.Change, now time.Time) policy.Proposal {
	p := policy.Proposal{
		Target: b.Target, Policy: b.Alert, Source: policy.FromAlert, Row: -1, Condition: "alert " + b.Alert + " fires", Verdict: policy.Scale,
		Change: c, Mode: b.Mode, AtDead: b.AtDeadline, Why: b.Why,
		Readings: []policy.Reading{{Signal: b.Alert, Expr: alert.Expr, Value: alert.Value, Known: true, At: now}},
	}
	for _, v := range b.Do {
		if v != policy.Diagnose {
			p.Verdict = v
		}
	}
	if b.Within > 0 {
		p.Deadline = alert.FiredAt.Add(b.Within)
	}
	if p.Why == "" {
		p.Why = alert.Annotations["summary"]
	}
	return p
}

// firing returns the firing alert of a binding for a target: one that names it, or no target at all.
func (a *Agent) firing(b config.Binding, target string) (rules.Alert, bool) {
	if b.Target != target {
		return rules.Alert{}, false
	}
	for _, one := range a.alerts.Alerts() {
		named, has := one.Labels["target"]
		if one.Err != nil {
			continue // its query fails: what it says is old
		}
		if one.Name == b.Alert && one.State == "firing" && (!has || named == target) {
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
	for _, b := range a.loop.cfg.Rules.OnAlert {
		if b.Alert != d.Policy {
			continue
		}
		if alert, ok := a.firing(b, t.cfg.Name); ok {
			t.episodes[b.Alert] = alert.Episode
			a.keepEpisodes(t)
		}
	}
}

// rollBackOnAlerts takes back, for each alert that is bound to a rollback and begins to fire, what is
// being validated or was committed lately.
func (a *Agent) rollBackOnAlerts(ctx context.Context, t *target, now time.Time) {
	for _, b := range a.loop.cfg.Rules.OnAlert {
		alert, ok := a.firing(b, t.cfg.Name)
		if !ok || !b.Rollback || t.episodes[b.Alert] == alert.Episode {
			continue
		}
		t.episodes[b.Alert] = alert.Episode
		a.keepEpisodes(t)
		a.takeBack(ctx, t, fmt.Sprintf("alert %s fires: %s", b.Alert, alert.Annotations["summary"]), now)
	}
}

func (a *Agent) takeBack(ctx context.Context, t *target, reason string, now time.Time) {
	if len(t.running) > 0 {
		for id := range t.running {
			limited, cancel := context.WithTimeout(ctx, orderTimeout)
			a.logError("roll back for an alert", a.executor.RollbackUnneeded(limited, id, reason))
			cancel()
		}
		return
	}
	for _, one := range t.committed {
		if now.Sub(one.Since()) < undoCommitted {
			one.Target = a.targetOf(t, one)
			a.logError("undo for an alert", a.executor.Undo(a.acting(ctx), one, reason))
		}
	}
}

// rollBack has the executor take an action back, as a person wants it.
func (a *Agent) rollBack(ctx context.Context, id, reason string) error {
	limited, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	return a.executor.Rollback(limited, id, reason)
}

// keepEpisodes writes down which firing episodes have been acted on, so that a restart does not act
// on them again.
func (a *Agent) keepEpisodes(t *target) {
	text, err := json.Marshal(t.episodes)
	if err == nil {
		err = a.journal.PutMeta(episodesKey(t.cfg.Name), text)
	}
	a.logError("keep the alerts acted on", err)
}

func (a *Agent) restoreEpisodes(t *target) error {
	text, ok, err := a.journal.Meta(episodesKey(t.cfg.Name))
	if err != nil || !ok {
		return err
	}
	return json.Unmarshal(text, &t.episodes)
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
		if one.State != "firing" {
			state, severity = "is over", policy.Info
		}
		a.emit(policy.Event{
			Type: policy.EventAlert, Severity: severity, Target: one.Labels["target"],
			Message: fmt.Sprintf("alert %s %s: %s", one.Name, state, one.Annotations["summary"]),
			Details: one.Annotations,
		})
	}
}
