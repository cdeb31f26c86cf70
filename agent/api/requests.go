package api

import (
	"github.com/engramd/engramd/policy"
	"github.com/prometheus/common/model"
)

// Asked is who asks. The server sets it to the name of the token or the client certificate; without
// either it is what the client says, and proves nothing.
type Asked struct {
	By string `json:"by,omitempty"`
}

// An ApproveRequest is a person's yes.
type ApproveRequest struct {
	Asked
	// PlanHash binds the yes to the plan that was shown; without it the yes is to the plan of now.
	PlanHash string `json:"plan_hash,omitempty"`
}

// A ReasonRequest carries the reason of a no.
type ReasonRequest struct {
	Asked
	Reason string `json:"reason,omitempty"`
}

// A TargetRequest names one target, or with "" all.
type TargetRequest struct {
	Asked
	Target string `json:"target,omitempty"`
}

// A PauseRequest stops new actions on one target, or with "" on all.
type PauseRequest struct {
	Asked
	Target string `json:"target,omitempty"`
	// For is how long, as "2h" or "1d12h"; zero is until resumed.
	For    model.Duration `json:"for,omitempty"`
	Reason string         `json:"reason,omitempty"`
}

// A FreezeRequest keeps one resource of a target, or with "" all of them, as it is.
type FreezeRequest struct {
	Asked
	Target   string          `json:"target"`
	Resource policy.Resource `json:"resource,omitempty"`
	For      model.Duration  `json:"for,omitempty"` // zero is until unfrozen
	Reason   string          `json:"reason,omitempty"`
}

// An UnfreezeRequest ends freezes of one target: that of one resource, or with "" all.
type UnfreezeRequest struct {
	Asked
	Target   string          `json:"target"`
	Resource policy.Resource `json:"resource,omitempty"`
}

// A ReleaseRequest gives back one target, or all: exactly one of the two is set.
type ReleaseRequest struct {
	Asked
	Target string `json:"target,omitempty"`
	All    bool   `json:"all,omitempty"`
}
