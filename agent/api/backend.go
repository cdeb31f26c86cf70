package api

import (
	"context"
	"time"

	"github.com/engramd/engramd/policy"
)

// A Backend is the agent as its API sees it. Its methods may be called concurrently and must return
// when ctx ends. An error that is a [*Problem] (see [NotFound], [Conflict], [Invalid], [Unavailable])
// is told to the client as it is; any other is logged, and the client learns only that it happened.
type Backend interface {
	Observer
	Diagnoser
	Approver
	Operator
}

// An Observer shows how things are.
type Observer interface {
	// Ready returns nil once the agent has its journal, its samples and its first tick, and says
	// what is missing otherwise.
	Ready(ctx context.Context) error
	Status(ctx context.Context) (Status, error)
	// Plan decides now, without doing anything, what would be done about one target, or with "" about
	// all.
	Plan(ctx context.Context, target string) ([]PlanView, error)
	// Decisions lists decisions, newest first.
	Decisions(ctx context.Context, q DecisionQuery) ([]policy.Decision, error)
	// Explain tells everything about a decision, by its id, its action's, or the beginning of one.
	Explain(ctx context.Context, id string) (Explanation, error)
	// Actions lists actions, newest first.
	Actions(ctx context.Context, q ActionQuery) ([]ActionView, error)
}

// An Approver answers the agent's questions. An id may be an action's, its decision's, or the
// beginning of one.
type Approver interface {
	// Approve lets a waiting action run. It is a conflict if a.PlanHash is given and the plan has
	// changed since.
	Approve(ctx context.Context, id string, a ApproveRequest) (ActionView, error)
	Reject(ctx context.Context, id string, r ReasonRequest) (ActionView, error)
	// Cancel ends an action that has not begun to change anything, and undoes one that is being
	// watched.
	Cancel(ctx context.Context, id string, r ReasonRequest) (ActionView, error)
}

// An Operator changes what the agent may do.
type Operator interface {
	Pause(ctx context.Context, r PauseRequest) (PauseView, error)
	// Resume ends a pause of one target, or with "" the one of all.
	Resume(ctx context.Context, r TargetRequest) error
	Freeze(ctx context.Context, r FreezeRequest) (FreezeView, error)
	Unfreeze(ctx context.Context, r UnfreezeRequest) error
	// Release gives resources back the size they had before engramd.
	Release(ctx context.Context, r ReleaseRequest) ([]ReleaseView, error)
	// Reload reads the configuration again; it is Invalid, with every fault, if it is refused.
	Reload(ctx context.Context) (ReloadView, error)
}

// A DecisionQuery picks decisions. Zero fields pick all.
type DecisionQuery struct {
	Target   string
	Policy   string
	Resource policy.Resource
	Since    time.Time
	Limit    int // 0: the server's default
}

// An ActionQuery picks actions. Zero fields pick all.
type ActionQuery struct {
	Target   string
	Resource policy.Resource
	Open     bool
	Since    time.Time
	Limit    int // 0: the server's default
}
