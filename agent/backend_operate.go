package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// Pause stops new actions; what is under way goes on.
func (a *Agent) Pause(ctx context.Context, r api.PauseRequest) (api.PauseView, error) {
	return call(ctx, a.inbox, func() (api.PauseView, error) {
		if r.Target != "" && a.loop.targets[r.Target] == nil {
			return api.PauseView{}, a.noTarget(r.Target)
		}
		p := journal.Pause{Target: r.Target, Reason: r.Reason, By: nameOr(r.By), At: time.Now()}
		if r.For > 0 {
			p.Until = p.At.Add(time.Duration(r.For))
		}
		if err := a.journal.PutPause(p); err != nil {
			return api.PauseView{}, err
		}
		a.loop.pauses = append(slices.DeleteFunc(slices.Clone(a.loop.pauses), func(o journal.Pause) bool { return o.Target == p.Target }), p)
		a.metrics.Paused(p.Target, true)
		who := p.Target
		if who == "" {
			who = "every target"
		}
		a.emit(policy.Event{
			Type: policy.EventPause, Severity: policy.Info, Target: p.Target,
			Message: fmt.Sprintf("%s is paused by %s: %s", who, p.By, p.Reason),
		})
		return pauseView(p), nil
	})
}

// Resume ends a pause.
func (a *Agent) Resume(ctx context.Context, r api.TargetRequest) error {
	_, err := call(ctx, a.inbox, func() (struct{}, error) {
		if !slices.ContainsFunc(a.loop.pauses, func(p journal.Pause) bool { return p.Target == r.Target }) {
			if r.Target != "" && a.loop.targets[r.Target] == nil {
				return struct{}{}, a.noTarget(r.Target)
			}
			return struct{}{}, api.Conflict("it is not paused").WithRemedy("engramd status shows what is")
		}
		return struct{}{}, a.resume(r.Target)
	})
	return err
}

// Freeze keeps a resource as it is.
func (a *Agent) Freeze(ctx context.Context, r api.FreezeRequest) (api.FreezeView, error) {
	return call(ctx, a.inbox, func() (api.FreezeView, error) {
		if a.loop.targets[r.Target] == nil {
			return api.FreezeView{}, a.noTarget(r.Target)
		}
		if r.Resource != "" && !slices.Contains(policy.Resources(), r.Resource) {
			return api.FreezeView{}, api.Invalid("there is no resource %q", r.Resource)
		}
		f := journal.Freeze{Target: r.Target, Resource: r.Resource, Reason: r.Reason, By: nameOr(r.By), At: time.Now()}
		if r.For > 0 {
			f.Until = f.At.Add(time.Duration(r.For))
		}
		if err := a.journal.PutFreeze(f); err != nil {
			return api.FreezeView{}, err
		}
		a.loop.freezes = append(withoutFreeze(a.loop.freezes, f.Target, f.Resource), f)
		a.emit(policy.Event{
			Type: policy.EventFreeze, Severity: policy.Info, Target: f.Target, Resource: f.Resource,
			Message: fmt.Sprintf("%s of %s is frozen by %s: %s", resourceName(f.Resource), f.Target, f.By, f.Reason),
		})
		return freezeView(f), nil
	})
}

// Unfreeze ends freezes of one target.
func (a *Agent) Unfreeze(ctx context.Context, r api.UnfreezeRequest) error {
	_, err := call(ctx, a.inbox, func() (struct{}, error) {
		frozen := slices.ContainsFunc(a.loop.freezes, func(f journal.Freeze) bool {
			return f.Target == r.Target && (r.Resource == "" || f.Resource == r.Resource)
		})
		if !frozen {
			if a.loop.targets[r.Target] == nil {
				return struct{}{}, a.noTarget(r.Target)
			}
			p := api.Conflict("%s of %s is not frozen", resourceName(r.Resource), r.Target)
			if _, held := a.loop.frozen(r.Target)[r.Resource]; held {
				p = p.WithRemedy("everything of it is: engramd unfreeze %s", r.Target)
			}
			return struct{}{}, p
		}
		if err := a.forgetReleases(r.Target, r.Resource); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, a.unfreeze(r.Target, r.Resource)
	})
	return err
}

func pauseView(p journal.Pause) api.PauseView {
	return api.PauseView{Target: p.Target, Reason: p.Reason, By: p.By, At: p.At, Until: p.Until}
}

func freezeView(f journal.Freeze) api.FreezeView {
	return api.FreezeView{Target: f.Target, Resource: f.Resource, Reason: f.Reason, By: f.By, At: f.At, Until: f.Until}
}
