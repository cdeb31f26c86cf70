package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// releasePolicy is the policy that a release's decisions name.
const releasePolicy = "release"

// Release gives resources back the size that they had before engramd.
func (a *Agent) Release(ctx context.Context, r api.ReleaseRequest) ([]api.ReleaseView, error) {
	return call(ctx, a.inbox, func() ([]api.ReleaseView, error) {
		if !r.All && a.loop.targets[r.Target] == nil {
			if known, err := a.journal.Originals(r.Target); err != nil || len(known) == 0 {
				return nil, api.NotFound("there is no target %q, and nothing of it was ever changed", r.Target)
			}
		}
		originals, err := a.journal.Originals(r.Target)
		if err != nil {
			return nil, err
		}
		views := make([]api.ReleaseView, 0, len(originals))
		for _, o := range originals {
			views = append(views, a.releaseOne(ctx, o, r.By))
		}
		return views, nil
	})
}

func (a *Agent) releaseOne(ctx context.Context, o journal.Original, by string) api.ReleaseView {
	v := api.ReleaseView{Target: o.Target, Resource: o.Resource, To: o.Size}
	t := a.loop.targets[o.Target]
	if t == nil {
		adopted, err := a.adopt(actuators.Action{TargetName: o.Target, Driver: o.Driver, SpecJSON: o.Spec})
		if err != nil {
			v.Detail = err.Error()
			return v
		}
		v.Detail = "the target is no longer configured; its lock is being taken: run release again in a moment"
		a.logError("collect a target", a.collect(a.telemetryConfig(a.loop.cfg)))
		_ = adopted
		return v
	}
	if reason, _ := t.claim.standby(); reason != "" {
		v.Detail = reason
		return v
	}
	if _, err := a.seen(t, time.Now()); err != nil {
		v.Detail = err.Error()
		return v
	}
	v.From = t.sizes[o.Resource]
	if v.From == o.Size {
		v.Done, v.Detail = true, "it has that size already"
		a.logError("forget an original", a.journal.DropOriginal(o.Target, o.Resource))
		return v
	}
	act, err := a.releaseAction(t, o, by)
	if err != nil {
		v.Detail = err.Error()
		return v
	}
	if err := a.executor.Start(a.acting(ctx), act); err != nil {
		v.Detail = err.Error()
		return v
	}
	t.running[act.ID] = act
	a.freeze(journal.Freeze{
		Target: o.Target, Resource: o.Resource, By: nameOr(by), At: time.Now(),
		Reason: "it was released by " + nameOr(by) + ", and stays as it is",
	}, policy.Info)
	v.ActionID, v.Detail = act.ID, "under way: engramd explain "+act.ID+"; frozen: engramd unfreeze "+o.Target+" lets engramd act again"
	return v
}

// releaseAction plans the way back. It is watched by guards and health like any change, but nobody
// asks whether it helped.
func (a *Agent) releaseAction(t *target, o journal.Original, by string) (actuators.Action, error) {
	now := time.Now()
	from := t.sizes[o.Resource]
	d := policy.Decision{
		ID: newID(), At: now, LastAt: now, Count: 1,
		Proposal: policy.Proposal{
			Target: t.cfg.Name, Policy: releasePolicy, Row: -1, Verdict: policy.Scale,
			Condition: "released by " + by, Change: policy.Change{Resource: o.Resource},
			From: from, To: o.Size, Direction: directionOf(from, o.Size),
		},
	}
	driver := t.owners(a.drivers)[o.Resource]
	if driver == "" {
		driver = o.Driver
	}
	d2, ok := a.drivers[driver]
	if !ok {
		return actuators.Action{}, fmt.Errorf("this build has no driver %q", driver)
	}
	plan, err := d2.Plan(t.cfg.Target, t.observer.last(driver).state, policy.Size{o.Resource: o.Size})
	if err != nil {
		return actuators.Action{}, err
	}
	d.Strategy = plan.Strategy
	kept, err := a.journal.PutDecisions(d)
	if err != nil {
		return actuators.Action{}, err
	}
	act, err := a.actionOf(t, now, &view{decision: kept[0], plan: plan, hash: actuators.PlanHash(from, o.Size, plan)})
	act.Procedure.Asked = true
	act.Procedure.Require = nil
	return act, err
}

func directionOf(from, to policy.Quantity) policy.Direction {
	f, fok := from.Amount()
	n, nok := to.Amount()
	if !nok || (fok && n > f) {
		return policy.Growth
	}
	return policy.Decrease
}
