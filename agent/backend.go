package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

var _ api.Backend = (*Agent)(nil)

// Ready returns nil once there was a tick and while the node lives, and says what is missing otherwise.
func (a *Agent) Ready(ctx context.Context) error {
	_, err := call(ctx, a.inbox, func() (struct{}, error) { return struct{}{}, a.ready() })
	return err
}

func (a *Agent) ready() error {
	if a.loop.last.IsZero() && a.loop.cfg.CountPolicies() > 0 {
		return api.Unavailable("the first round of deciding is still to come")
	}
	return a.node.ready()
}

// Plan shows what the last round decided to do, and what holds it.
func (a *Agent) Plan(ctx context.Context, target string) ([]api.PlanView, error) {
	return call(ctx, a.inbox, func() ([]api.PlanView, error) {
		views := []api.PlanView{}
		if target != "" && a.loop.targets[target] == nil {
			return nil, a.noTarget(target)
		}
		for _, name := range a.loop.names() {
			t := a.loop.targets[name]
			if target != "" && name != target {
				continue
			}
			for _, v := range t.views {
				views = append(views, planView(a, t, v))
			}
		}
		return views, nil
	})
}

func planView(a *Agent, t *target, v view) api.PlanView {
	d := v.decision
	p := api.PlanView{
		Target: t.cfg.Name, Resource: d.Change.Resource, From: d.From, To: d.To, Direction: d.Direction, Strategy: d.Strategy,
		Verdict: d.Verdict, Mode: policy.EffectiveMode(a.loop.cfg.Mode, t.cfg.Mode, d.Mode), Policy: d.Policy,
		Condition: d.Condition, Why: d.Why, Refused: d.Refused, Held: d.Held, Touches: d.Touches,
		Command: v.plan.Command, Notes: v.plan.Notes, DecisionID: d.ID, ActionID: d.ActionID, PlanHash: v.hash,
	}
	for _, s := range v.plan.Steps {
		p.Steps = append(p.Steps, api.StepView{Text: s.Text, Irreversible: s.Irreversible})
	}
	return p
}

func (a *Agent) noTarget(name string) error {
	return api.NotFound("there is no target %q", name).WithRemedy("engramd status lists the targets")
}

// Decisions lists decisions, newest first.
func (a *Agent) Decisions(_ context.Context, q api.DecisionQuery) ([]policy.Decision, error) {
	return a.journal.Decisions(journal.DecisionFilter{
		Target: q.Target, Policy: q.Policy, Resource: q.Resource, Since: q.Since, Limit: cmp.Or(q.Limit, 100),
	})
}

// Actions lists actions, newest first.
func (a *Agent) Actions(_ context.Context, q api.ActionQuery) ([]api.ActionView, error) {
	all, err := a.journal.Actions(journal.ActionFilter{
		Target: q.Target, Resource: q.Resource, Open: q.Open, Since: q.Since, Limit: cmp.Or(q.Limit, 100),
	})
	views := make([]api.ActionView, 0, len(all))
	for _, one := range all {
		views = append(views, api.ViewAction(one))
	}
	return views, err
}

// newest is an action of the journal as the executor has it, if it is under way: that knows what is being
// done right now.
func (a *Agent) newest(one actuators.Action) actuators.Action {
	active := a.executor.Active()
	if i := slices.IndexFunc(active, func(o actuators.Action) bool { return o.ID == one.ID }); i >= 0 {
		return active[i]
	}
	return one
}

// waitingAction finds a waiting action by its id, its decision's, or the beginning of one.
func (a *Agent) waitingAction(id string) (*target, *actuators.Action, error) {
	one, err := a.actionByID(id)
	if err != nil {
		return nil, nil, err
	}
	t := a.loop.targets[one.TargetName]
	if t != nil {
		if w := t.waiting[one.Resource]; w != nil && w.ID == one.ID {
			return t, w, nil
		}
	}
	why := fmt.Sprintf("action %s is %s", one.ID, one.State)
	if one.Reason != "" {
		why += ": " + one.Reason
	}
	if t != nil && t.waiting[one.Resource] != nil {
		return nil, nil, api.Conflict("%s", why).WithRemedy("look at what waits now: engramd explain %s", t.waiting[one.Resource].ID)
	}
	return nil, nil, api.Conflict("%s", why)
}

func (a *Agent) actionByID(id string) (actuators.Action, error) {
	one, err := a.journal.Action(id)
	if errors.Is(err, journal.ErrNotFound) {
		d, decisionErr := a.journal.Decision(id)
		if decisionErr != nil {
			return one, lookup(id, decisionErr)
		}
		if d.ActionID == "" {
			return one, api.Conflict("decision %s has no action: nothing waits for an answer", d.ID)
		}
		one, err = a.journal.Action(d.ActionID)
	}
	if err != nil {
		return one, lookup(id, err)
	}
	return one, nil
}
