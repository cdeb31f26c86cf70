package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// announce says what this agent is about to do.
func (a *Agent) announce() {
	cfg := a.opts.Config
	a.log.Info("engramd is running",
		"version", a.opts.Version, "mode", cfg.Mode, "targets", len(cfg.Targets), "policies", cfg.CountPolicies(),
		"data_dir", cfg.DataDir, "listen", cfg.Listen.Agent)
	a.emit(policy.Event{
		Type: policy.EventAgent, Severity: policy.Info,
		Message: fmt.Sprintf("engramd %s started: %d targets, %d policies, mode %s", a.opts.Version, len(cfg.Targets), cfg.CountPolicies(), cfg.Mode),
	})
	a.remind()
}

// remind tells again what lasts over a restart, so that whoever is told of alerts knows it.
func (a *Agent) remind() {
	for _, f := range a.loop.freezes {
		a.emit(policy.Event{
			Type: policy.EventFreeze, Severity: policy.Warning, Target: f.Target, Resource: f.Resource,
			Message: fmt.Sprintf("%s of %s is still frozen by %s: %s", resourceName(f.Resource), f.Target, f.By, f.Reason),
		})
	}
	for _, p := range a.loop.pauses {
		a.emit(policy.Event{Type: policy.EventPause, Severity: policy.Warning, Target: p.Target, Message: "still paused by " + p.By + ": " + p.Reason})
	}
}

func (a *Agent) goodbye(cause error) {
	why := "it was told to"
	if cause != nil && !errors.Is(cause, context.Canceled) {
		why = cause.Error()
	}
	a.emit(policy.Event{Type: policy.EventAgent, Severity: policy.Info, Message: "engramd stops: " + why})
}

// tellDecision says once what was decided.
func (a *Agent) tellDecision(t *target, v view) {
	d := v.decision
	if d.Held != nil && d.Held.By == policy.HeldByDryRun && len(d.Held.Also) > 0 {
		return // not yet: a cooldown or a budget would hold it
	}
	what := fmt.Sprintf("%s of %s: %s", d.Change.Resource, t.cfg.Name, sizes(d))
	e := policy.Event{
		Type: policy.EventDecision, Severity: policy.Info, Target: t.cfg.Name, Resource: d.Change.Resource, Decision: d.ID,
		From: d.From, To: d.To, Message: what + because(d),
		Details: map[string]string{"policy": d.Policy, "condition": d.Condition, "verdict": string(d.Verdict)},
	}
	switch {
	case d.Refused != "":
		e.Message = what + " refused: " + d.Refused
	case d.Held != nil && d.Held.By == policy.HeldByDryRun:
		e.Type = policy.EventPlan
		e.Message = what + " would be done" + because(d) + ": " + v.plan.Command + " [" + d.Held.Text + "]"
		e.Details["command"] = v.plan.Command
	case d.Held != nil:
		e.Message += "; held: " + d.Held.Text
	}
	if d.Verdict == policy.Emergency && d.Refused == "" {
		e.Severity = policy.Warning
	}
	a.emit(e)
}

func because(d policy.Decision) string {
	var seen []string
	for _, r := range d.Readings {
		if r.Known {
			seen = append(seen, fmt.Sprintf("%s=%.4g", r.Signal, r.Value))
		}
	}
	text := " (" + d.Policy
	if d.Condition != "" {
		text += ": " + d.Condition
	}
	if len(seen) > 0 {
		text += "; " + strings.Join(seen, " ")
	}
	return text + ")"
}

// tellWaiting says what an action waits for, and how a person answers.
func (a *Agent) tellWaiting(t *target, w actuators.Action) {
	message := fmt.Sprintf("%s of %s: %s waits: %s", w.Resource, t.cfg.Name, sizes(w.Decision), w.Reason)
	if asksPerson(&w) {
		message += "; run: engramd approve " + w.ID
	}
	a.emit(policy.Event{
		Type: policy.EventPlan, Severity: policy.Warning, Target: t.cfg.Name, Resource: w.Resource, Action: w.ID,
		Decision: w.Decision.ID, From: w.From, To: w.To, Outcome: w.State, Message: message,
		Details: map[string]string{"command": w.Plan.Command},
	})
}

// tellSight says once, plainly, what a matrix saw first and what it said to that: whoever looks at the log knows then that it works.
func (a *Agent) tellSight(t *target, name string, s *policyState) {
	if s.told || s.last.Blind {
		return
	}
	s.told = true
	a.log.Info("matrix evaluated", "target", t.cfg.Name, "policy", name, "verdict", s.last.Verdict, "because", s.last.Text)
}

// tellBlind says when a policy begins to be blind, and when it sees again. One that has seen nothing yet is told of only once its first
// samples would be too old to be evidence: until then they are still being collected. It vetoes what it always does.
func (a *Agent) tellBlind(t *target, p config.Policy, s *policyState) {
	is := s.last
	a.metrics.Blind(t.cfg.Name, p.Name, is.Blind)
	collecting := !s.told && s.at.Sub(s.since) < 3*max(p.Every, a.loop.cfg.Metrics.Interval)
	if is.Blind == s.toldBlind || is.Blind && collecting {
		return
	}
	s.toldBlind = is.Blind
	e := policy.Event{
		Type: policy.EventBlind, Severity: policy.Info, Target: t.cfg.Name, Details: map[string]string{"policy": p.Name},
		Message: fmt.Sprintf("policy %s sees its signals again", p.Name),
	}
	if is.Blind {
		e.Severity, e.Message = policy.Warning, fmt.Sprintf("policy %s is %s", p.Name, is.Text)
	}
	a.emit(e)
}
