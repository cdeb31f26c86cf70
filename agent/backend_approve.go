package agent

import (
	"context"
	"errors"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// orderTimeout bounds how long a person waits for an action to take an order.
const orderTimeout = 8 * time.Second

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
		now, approved := time.Now(), *w
		approved.Approval = &actuators.Approval{By: r.By, At: now, PlanHash: w.PlanHash, Expires: a.approvalEnds(t, w.Decision, now)}
		if err := a.keep(w, approved); err != nil {
			return api.ActionView{}, err
		}
		a.emit(policy.Event{
			Type: policy.EventPlan, Severity: policy.Info, Target: t.cfg.Name, Resource: w.Resource, Action: w.ID, From: w.From, To: w.To,
			Outcome: w.State, Message: string(w.Resource) + " of " + t.cfg.Name + ": " + sizes(w.Decision) + " approved by " + nameOr(r.By),
		})
		a.decide(a.acting(ctx), t, now) // its turn may be now; what begins with it outlives the request
		return a.viewOf(w.ID)
	})
}

// Reject ends a waiting action for good; the same proposal is not made again before retry_after,
// whatever the load.
func (a *Agent) Reject(ctx context.Context, id string, r api.ReasonRequest) (api.ActionView, error) {
	return call(ctx, a.inbox, func() (api.ActionView, error) {
		t, w, err := a.waitingAction(id)
		if err != nil {
			return api.ActionView{}, err
		}
		return a.refuse(t, *w, actuators.Rejected, r)
	})
}

// refuse ends a waiting action because a person does not want it, and remembers that.
func (a *Agent) refuse(t *target, w actuators.Action, outcome actuators.ActionState, r api.ReasonRequest) (api.ActionView, error) {
	now := time.Now()
	w.RetryAfter, w.DemandCores = now.Add(t.cfg.Safety.RetryAfter), nil // whatever the load
	if err := a.end(t, &w, now, outcome, saidBy(r)); err != nil {
		return api.ActionView{}, err
	}
	t.tried = append(t.tried, attemptOf(w))
	return a.viewOf(w.ID)
}

// approvalEnds is when an approval given now runs out. Where the change has to wait for a maintenance
// window all the same, it lasts until the window was there.
func (a *Agent) approvalEnds(t *target, d policy.Decision, now time.Time) time.Time {
	in := policy.HoldInputs{
		Now: now, Approved: true, Window: a.window(t), LiveInWindow: t.cfg.LiveInWindow, Need: need(t.cfg.Procedure),
		Budget: t.ledger.Left(now, t.cfg.Safety.Budget),
	}
	from := now
	for _, h := range policy.Holds(d, in) {
		if h.By == policy.HeldByWindow && h.Until.After(from) {
			from = h.Until
		}
	}
	return from.Add(t.cfg.Safety.ApprovalTTL)
}

// Cancel ends an action that has not begun to change anything, and undoes one that is being watched.
func (a *Agent) Cancel(ctx context.Context, id string, r api.ReasonRequest) (api.ActionView, error) {
	under := ""
	v, err := call(ctx, a.inbox, func() (api.ActionView, error) {
		one, err := a.actionByID(id)
		if err != nil {
			return api.ActionView{}, err
		}
		if t := a.loop.targets[one.TargetName]; t != nil {
			if _, running := t.running[one.ID]; running {
				under = one.ID
				return api.ActionView{}, nil
			}
		}
		t, w, err := a.waitingAction(id)
		if err != nil {
			return api.ActionView{}, err
		}
		return a.refuse(t, *w, actuators.Cancelled, r)
	})
	if err != nil || under == "" {
		return v, err
	}
	// The executor answers once the action listens again, for which the loop must not wait.
	limited, cancel := context.WithTimeoutCause(ctx, orderTimeout, errors.New("it is just looking at its target: try again in a moment"))
	defer cancel()
	if err := a.executor.Rollback(limited, under, "cancelled by "+saidBy(r)); err != nil {
		return v, api.Conflict("action %s cannot be cancelled now: %v", under, err)
	}
	return a.viewOf(under)
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
