package agent

import (
	"context"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// Approve lets a waiting action run, if its plan is the one that was shown.
func (a *Agent) Approve(ctx context.Context, id string, r api.ApproveRequest) (api.ActionView, error) {
	return call(ctx, a.inbox, func() (api.ActionView, error) {
		t, w, err := a.waitingAction(id)
		if err != nil {
			return api.ActionView{}, err
		}
		if r.PlanHash != "" && r.PlanHash != w.PlanHash {
			return api.ActionView{}, api.Conflict("the plan has changed since it was shown: it is %s now", sizes(w.Decision)).
				WithRemedy("look at it again: engramd explain %s", w.ID)
		}
		now := time.Now()
		approved := *w
		approved.Approval = &actuators.Approval{By: r.By, At: now, PlanHash: w.PlanHash, Expires: now.Add(t.cfg.Safety.ApprovalTTL)}
		if err := a.journal.Put(approved); err != nil {
			return api.ActionView{}, err
		}
		*w = approved
		a.emit(policy.Event{
			Type: policy.EventPlan, Severity: policy.Info, Target: t.cfg.Name, Resource: w.Resource, Action: w.ID, From: w.From, To: w.To,
			Outcome: w.State, Message: string(w.Resource) + " of " + t.cfg.Name + ": " + sizes(w.Decision) + " approved by " + nameOr(r.By),
		})
		a.decide(ctx, t, now) // its turn may be now
		return a.viewOf(w.ID)
	})
}

// Reject ends a waiting action for good; the same proposal is not made again before retry_after.
func (a *Agent) Reject(ctx context.Context, id string, r api.ReasonRequest) (api.ActionView, error) {
	return call(ctx, a.inbox, func() (api.ActionView, error) {
		t, w, err := a.waitingAction(id)
		if err != nil {
			return api.ActionView{}, err
		}
		now := time.Now()
		w.RetryAfter = now.Add(t.cfg.Safety.RetryAfter)
		w.DemandCores = a.senses.Used(t.cfg.Name, now.Add(-3*a.loop.cfg.Metrics.Interval), now).Cores
		a.end(t, w, now, actuators.Rejected, saidBy(r))
		t.tried = append(t.tried, attemptOf(*w))
		return a.viewOf(w.ID)
	})
}

// Cancel ends an action that has not begun to change anything, and undoes one that is being watched.
func (a *Agent) Cancel(ctx context.Context, id string, r api.ReasonRequest) (api.ActionView, error) {
	return call(ctx, a.inbox, func() (api.ActionView, error) {
		one, err := a.actionByID(id)
		if err != nil {
			return api.ActionView{}, err
		}
		t := a.loop.targets[one.TargetName]
		if t != nil {
			if _, under := t.running[one.ID]; under {
				if err := a.rollBack(ctx, one.ID, "cancelled by "+saidBy(r)); err != nil {
					return api.ActionView{}, api.Conflict("action %s cannot be cancelled now: %v", one.ID, err)
				}
				return a.viewOf(one.ID)
			}
		}
		t, w, err := a.waitingAction(id)
		if err != nil {
			return api.ActionView{}, err
		}
		a.end(t, w, time.Now(), actuators.Cancelled, saidBy(r))
		return a.viewOf(w.ID)
	})
}

func (a *Agent) viewOf(id string) (api.ActionView, error) {
	one, err := a.journal.Action(id)
	return api.ViewAction(one), err
}

func saidBy(r api.ReasonRequest) string {
	if r.Reason == "" {
		return nameOr(r.By)
	}
	return nameOr(r.By) + ": " + r.Reason
}

func nameOr(by string) string {
	if by == "" {
		return "a person"
	}
	return by
}
