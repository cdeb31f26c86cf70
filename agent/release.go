package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// releasePolicy is the policy that a release's decisions name.
const releasePolicy = "release"

// Release gives resources back the size that they had before engramd. What cannot begin at once is
// frozen as it is, and given back as soon as it can.
func (a *Agent) Release(ctx context.Context, r api.ReleaseRequest) ([]api.ReleaseView, error) {
	return call(ctx, a.inbox, func() ([]api.ReleaseView, error) {
		target := r.Target
		if r.All {
			target = ""
		}
		originals, err := a.journal.Originals(target)
		if err != nil {
			return nil, err
		}
		if !r.All && len(originals) == 0 && a.loop.targets[target] == nil {
			return nil, api.NotFound("there is no target %q, and nothing of it was ever changed", target)
		}
		views := make([]api.ReleaseView, 0, len(originals))
		for _, o := range originals {
			views = append(views, a.releaseOne(ctx, o, nameOr(r.By)))
		}
		return append(views, a.leaveAll(target, views, nameOr(r.By))...), nil
	})
}

// leaveAll begins to leave a target, or with "" all of them, and tells of those that nothing else was
// told of.
func (a *Agent) leaveAll(target string, told []api.ReleaseView, by string) (more []api.ReleaseView) {
	for _, name := range a.loop.names() {
		t := a.loop.targets[name]
		if target != "" && name != target || !a.marked(t) {
			continue
		}
		if err := a.leave(t, by); err != nil {
			more = append(more, api.ReleaseView{Target: name, Detail: err.Error()})
		} else if !slices.ContainsFunc(told, func(v api.ReleaseView) bool { return v.Target == name }) {
			more = append(more, a.leavingView(t))
		}
	}
	return more
}

// releaseOne gives one resource back, or has it wait for its turn.
func (a *Agent) releaseOne(ctx context.Context, o journal.Original, by string) api.ReleaseView {
	v := api.ReleaseView{Target: o.Target, Resource: o.Resource, To: o.Size}
	t := a.loop.targets[o.Target]
	if t == nil {
		var err error
		if t, err = a.adopt(actuators.Action{TargetName: o.Target, Driver: o.Driver, SpecJSON: o.Spec}); err != nil {
			v.Detail = err.Error()
			return v
		}
		a.logError("collect a target", a.collect(a.telemetryConfig(a.loop.cfg)))
	}
	defer a.letGo(t)
	act, wait, err := a.releaseAction(t, o, by)
	switch {
	case errors.Is(err, errReleased):
		v.Done = true
		a.logError("forget an original", a.journal.DropOriginal(o.Target, o.Resource))
		fallthrough
	case err != nil:
		v.Detail = err.Error()
		a.logError("forget a release", a.putRelease(t, o.Resource, ""))
		return v
	}
	v.From = t.sizes[o.Resource]
	if err := a.putRelease(t, o.Resource, by); err != nil {
		v.Detail = err.Error()
		return v
	}
	a.keepAsItIs(t, o.Resource, by)
	if wait == "" {
		if err := a.executor.Start(a.acting(ctx), act); err != nil {
			wait = err.Error()
		}
	}
	if wait != "" {
		v.Detail = "frozen, and given back as soon as it can be: " + wait
		return v
	}
	t.running[act.ID] = act // the release is remembered until that has its answer
	v.ActionID, v.Detail = act.ID, "under way: engramd explain "+act.ID+"; frozen: engramd unfreeze "+o.Target+" lets engramd act again"
	return v
}

// keepAsItIs has engramd touch a resource no more, but for giving it back.
func (a *Agent) keepAsItIs(t *target, r policy.Resource, by string) {
	if w := t.waiting[r]; w != nil {
		_ = a.end(t, w, time.Now(), actuators.Cancelled, "the resource was released by "+by) // the freeze holds it all the same
	}
	reason := "it was released by " + by + ", and stays as it is"
	if a.loop.frozen(t.cfg.Name)[r] != reason {
		a.freeze(journal.Freeze{Target: t.cfg.Name, Resource: r, By: by, At: time.Now(), Reason: reason}, policy.Info)
	}
}

// releaseOnTurn goes on with the releases that have had to wait.
func (a *Agent) releaseOnTurn(ctx context.Context, t *target) {
	if len(t.releases) == 0 {
		return
	}
	originals, err := a.journal.Originals(t.cfg.Name)
	if err != nil {
		a.logError("read the originals", err)
		return
	}
	for _, o := range originals {
		if by := t.releases[o.Resource]; by != "" && !t.isReleasing(o.Resource) {
			a.log.Debug("release goes on", "target", o.Target, "resource", o.Resource, "result", a.releaseOne(ctx, o, by).Detail)
		}
	}
}

func (t *target) isReleasing(r policy.Resource) bool {
	for _, one := range t.running {
		if one.Resource == r && one.Decision.Policy == releasePolicy {
			return true
		}
	}
	return false
}

// errReleased says that there is nothing to give back.
var errReleased = errors.New("it has that size already")

// releaseAction plans the way back. It is watched by guards and health like any change, but nobody
// asks whether it helped. What it has to wait for is no error.
func (a *Agent) releaseAction(t *target, o journal.Original, by string) (act actuators.Action, wait string, err error) {
	if spec, err := t.specJSON(o.Driver); err != nil || !bytes.Equal(spec, o.Spec) {
		return act, "", fmt.Errorf("it was changed elsewhere (%s %s), which the configuration does not name any more: give it back by hand", o.Driver, o.Spec)
	}
	if reason, _ := t.claim.standby(); t.claim.isOthers() {
		return act, "", errors.New(reason)
	} else if reason != "" {
		return act, reason, nil
	} else if t.claim.isLooking() {
		return act, notYet, nil
	}
	now := time.Now()
	switch _, err := a.seen(t, now); {
	case errors.Is(err, actuators.ErrNotFound):
		return act, "", err
	case err != nil:
		return act, err.Error(), nil
	}
	from := t.sizes[o.Resource]
	if from == o.Size {
		return act, "", errReleased
	}
	if one, busy := t.inTheWay(o.Resource); busy {
		return act, fmt.Sprintf("action %s on %s is %s", one.ID, one.Resource, one.State), nil
	}
	plan, err := a.drivers[o.Driver].Plan(t.cfg.Target, t.observer.last(o.Driver).state, policy.Size{o.Resource: o.Size})
	if err != nil { // refused now, while a user's rollout is under way; it may not be later
		return act, err.Error(), nil
	}
	if len(plan.Steps) == 0 { // in other words than before us, but the same
		return act, "", errReleased
	}
	d := policy.Decision{
		ID: newID(), At: now, LastAt: now, Count: 1, Strategy: plan.Strategy,
		Proposal: policy.Proposal{
			Target: t.cfg.Name, Policy: releasePolicy, Source: policy.FromPerson, Row: -1, Verdict: policy.Scale,
			Condition: "released by " + by, Change: policy.Change{Resource: o.Resource},
			From: from, To: o.Size, Direction: directionOf(from, o.Size),
		},
	}
	kept, err := a.journal.PutDecisions(d)
	if err != nil {
		return act, "", err
	}
	act, err = a.actionOf(t, now, &view{decision: kept[0], plan: plan, hash: actuators.PlanHash(from, o.Size, plan)})
	act.Procedure.Asked = true
	act.Procedure.Require = nil
	return act, "", err
}

// inTheWay returns an action that has the target for itself, or that is under way on the resource.
func (t *target) inTheWay(r policy.Resource) (policy.OpenAction, bool) {
	open := t.open()
	i := slices.IndexFunc(open, func(one policy.OpenAction) bool {
		return actuators.Exclusive(one.State) || one.Resource == r && one.State == actuators.Validating
	})
	if i < 0 {
		return policy.OpenAction{}, false
	}
	return open[i], true
}

// forgetReleases no longer gives back what still waits for that, "" is every resource: somebody lets
// engramd act on it again.
func (a *Agent) forgetReleases(target string, r policy.Resource) error {
	t := a.loop.targets[target]
	if t == nil {
		return nil
	}
	for _, one := range sortedKeys(t.releases) {
		if r != "" && one != r {
			continue
		}
		if err := a.putRelease(t, one, ""); err != nil {
			return err
		}
	}
	return nil
}

// putRelease remembers who wants a resource given back, "" for nobody, over a restart, too.
func (a *Agent) putRelease(t *target, r policy.Resource, by string) error {
	if t.releases[r] == by {
		return nil
	}
	was := t.releases[r]
	if t.releases[r] = by; by == "" {
		delete(t.releases, r)
	}
	text, err := json.Marshal(t.releases)
	if err == nil {
		err = a.journal.PutMeta(releasesKey(t.cfg.Name), text)
	}
	if err != nil && was == "" {
		delete(t.releases, r)
	}
	return err
}

func releasesKey(target string) string { return "releases/" + target }

func directionOf(from, to policy.Quantity) policy.Direction {
	if a, b := len(from.IDs()), len(to.IDs()); a > 0 && b > 0 {
		switch {
		case a < b:
			return policy.Growth
		case a == b:
			return policy.Move
		}
		return policy.Decrease
	}
	f, fok := from.Amount()
	n, nok := to.Amount()
	if !nok || (fok && n > f) {
		return policy.Growth
	}
	return policy.Decrease
}
