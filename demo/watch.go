package demo

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/demo/show"
	"github.com/engramd/engramd/policy"
)

// A watcher makes states of what the agent shows.
type watcher struct {
	agent  backend
	served func() int64 // spreads so far

	histories map[string][]float64
	last      int64     // spreads served at the last look
	at        time.Time // of the last look
	actions   []api.ActionView
}

func newWatcher(agent backend, served func() int64) *watcher {
	return &watcher{agent: agent, served: served, histories: map[string][]float64{}}
}

// kept is how many looks a chart remembers.
const kept = 120

// look asks the agent how things stand, and puts it into s. It is called once for every value of a chart.
func (w *watcher) look(ctx context.Context, now time.Time, s *show.State) error {
	status, err := w.agent.Status(ctx)
	if err != nil {
		return fmt.Errorf("look at the agent: %w", err)
	}
	if w.actions, err = w.agent.Actions(ctx, api.ActionQuery{}); err != nil {
		return fmt.Errorf("look at the agent's actions: %w", err)
	}
	slices.Reverse(w.actions) // oldest first
	s.Actions = s.Actions[:0:0]
	for _, a := range w.actions {
		x, err := w.agent.Explain(ctx, a.DecisionID)
		if err != nil {
			return fmt.Errorf("explain an action: %w", err)
		}
		s.Actions = append(s.Actions, showAction(a, x.Decision))
	}
	s.Trouble = ""
	for _, t := range status.Targets {
		w.target(now, t, s)
	}
	if status.NotReady != "" {
		s.Trouble = status.NotReady
	}
	return nil
}

// target shows the signals, rows and sizes of the one target that there is.
func (w *watcher) target(now time.Time, t api.TargetStatus, s *show.State) {
	s.Signals, s.Rows = s.Signals[:0:0], s.Rows[:0:0]
	for _, p := range t.Policies {
		s.Rows = append(s.Rows, showRow(now, p))
	}
	for _, name := range []struct{ signal, shown, unit string }{{"queue", "queue of spreads", ""}, {"hot", "hot tier", "%"}} {
		s.Signals = append(s.Signals, show.Signal{
			Name: name.shown, Unit: name.unit, Bound: bound[name.signal], History: w.note(name.signal, reading(t, name.signal)),
		})
	}
	s.Signals = append(s.Signals,
		show.Signal{Name: "workers", History: w.note("workers", size(t, policy.ThreadsSpreading))},
		show.Signal{Name: "served per second", History: w.note("served", w.rate(now))},
	)
	if t.State == api.TargetAbsent || t.State == api.TargetBlind || t.State == api.TargetFrozen || t.State == api.TargetStandby {
		s.Trouble = strings.TrimRight(fmt.Sprintf("the node is %s: %s", t.State, t.Detail), ": ")
	}
}

// bound is where the row that acts begins, of agent.yaml; a test holds them equal.
var bound = map[string]float64{"queue": 1.2, "hot": 10}

func (w *watcher) note(name string, value float64) []float64 {
	h := append(w.histories[name], value)
	if len(h) > kept {
		h = h[len(h)-kept:]
	}
	w.histories[name] = h
	return slices.Clone(h)
}

// rate is how many spreads a second were served since the last look.
func (w *watcher) rate(now time.Time) float64 {
	n, since := w.served(), now.Sub(w.at)
	done := n - w.last
	w.last = n
	first := w.at.IsZero()
	w.at = now
	if first || since <= 0 {
		return math.NaN()
	}
	return float64(done) / since.Seconds()
}

func reading(t api.TargetStatus, signal string) float64 {
	for _, p := range t.Policies {
		for _, r := range p.Readings {
			if r.Signal == signal && r.Known {
				return r.Value
			}
		}
	}
	return math.NaN()
}

func size(t api.TargetStatus, r policy.Resource) float64 {
	for _, one := range t.Resources {
		if n, ok := one.Effective.Amount(); ok && one.Resource == r {
			return float64(n)
		}
	}
	return math.NaN()
}

func showRow(now time.Time, p api.PolicyStatus) show.Row {
	r := show.Row{Policy: p.Name, Condition: p.Condition, Verdict: string(p.Verdict)}
	if r.Condition == "" {
		r.Condition = "-"
	}
	if p.Verdict == policy.Blind {
		r.Verdict += ": " + p.Why
	}
	r.Acts = p.Verdict == policy.Scale || p.Verdict == policy.Emergency
	if !p.Since.IsZero() { // the row is true, and has to be for a while
		r.Acts, r.Verdict = true, "true from now on"
		if held := now.Sub(p.Since).Seconds(); held >= 0.5 {
			r.Verdict = fmt.Sprintf("true for %.0fs so far", held)
		}
	}
	return r
}

// because is the row that an action came from, with what it saw.
func because(d policy.Decision) string {
	text := fmt.Sprintf("%s, row %d: %s", d.Policy, d.Row, d.Condition)
	var seen []string
	for _, r := range d.Readings {
		if r.Known {
			seen = append(seen, fmt.Sprintf("%s was %.3g", r.Signal, r.Value))
		}
	}
	if len(seen) > 0 {
		text += " (" + strings.Join(seen, ", ") + ")"
	}
	return text
}

// named puts the names of signals in the place of their expressions.
func named(text string, d policy.Decision) string {
	for _, r := range d.Readings {
		if r.Expr != "" {
			text = strings.ReplaceAll(text, r.Expr, r.Signal)
		}
	}
	return text
}

func showAction(a api.ActionView, d policy.Decision) show.Action {
	v := show.Action{
		ID: a.ID, What: change(a), Because: because(d), State: string(a.State), Stage: stageOf(a.State),
		Good: a.State == actuators.Committed, Reason: named(a.Reason, d), Diagnosis: a.Diagnosis,
	}
	for _, c := range a.Checks {
		v.Checks = append(v.Checks, show.Check{Mark: markOf(c.Shown), Text: named(c.Text, d)})
	}
	return v
}

// change is an action in short.
func change(a api.ActionView) string {
	if a.Resource.IsOperation() {
		return string(a.Resource)
	}
	return fmt.Sprintf("%s %s -> %s", a.Resource, a.Resource.Format(a.From), a.Resource.Format(a.To))
}

func stageOf(s actuators.ActionState) show.Stage {
	switch s {
	case actuators.Committed, actuators.RolledBack, actuators.Insufficient, actuators.Kept, actuators.Inconclusive, actuators.Superseded:
		return show.Done
	case actuators.Failed, actuators.Cancelled, actuators.Rejected, actuators.Expired:
		return show.Failed
	}
	return show.Running
}

func markOf(shown *bool) show.Mark {
	switch {
	case shown == nil:
		return show.Unknown
	case *shown:
		return show.Helped
	}
	return show.NoHelp
}
