package api

import (
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// An ActionView is an action as people see it: everything but what the drivers' steps carry, which
// may hold a container's environment.
type ActionView struct {
	ID         string                `json:"id"`
	DecisionID string                `json:"decision_id"`
	Target     string                `json:"target"`
	Driver     string                `json:"driver"`
	Resource   policy.Resource       `json:"resource"`
	Direction  policy.Direction      `json:"direction"`
	From       policy.Quantity       `json:"from"`
	To         policy.Quantity       `json:"to"`
	Strategy   policy.Strategy       `json:"strategy"`
	State      actuators.ActionState `json:"state"`
	Reason     string                `json:"reason,omitempty"`
	// PlanHash is what an approval binds to.
	PlanHash string                 `json:"plan_hash"`
	Command  string                 `json:"command,omitempty"`
	Notes    []string               `json:"notes,omitempty"`
	Steps    []StepView             `json:"steps,omitempty"`
	Times    []actuators.Transition `json:"times"`
	Checks   []actuators.Check      `json:"checks,omitempty"`
	// Progress is what was done on the way and how long it took, Guide what the guide expects of the whole.
	Progress  []ProgressView      `json:"progress,omitempty"`
	Guide     *GuideView          `json:"guide,omitempty"`
	Held      *policy.Held        `json:"held,omitempty"`
	Approval  *actuators.Approval `json:"approval,omitempty"`
	Deadline  time.Time           `json:"deadline,omitzero"`
	Diagnosis string              `json:"diagnosis,omitempty"`
	// RetryAfter is until when the same change is not tried again in the same circumstances.
	RetryAfter time.Time `json:"retry_after,omitzero"`
}

// A StepView is one step of a plan.
type StepView struct {
	Text         string `json:"text"`
	Irreversible bool   `json:"irreversible,omitempty"`
	Begun        bool   `json:"begun,omitempty"` // it may have been carried out
}

// ViewAction shows an action.
func ViewAction(a actuators.Action) ActionView {
	return ActionView{
		ID: a.ID, DecisionID: a.Decision.ID, Target: a.TargetName, Driver: a.Driver,
		Resource: a.Resource, Direction: a.Direction, From: a.From, To: a.To, Strategy: a.Plan.Strategy,
		State: a.State, Reason: a.Reason, PlanHash: a.PlanHash, Command: a.Plan.Command, Notes: a.Plan.Notes,
		Steps: viewSteps(a.Plan.Steps, a.Done), Times: a.Times, Checks: a.Checks,
		Progress: viewProgress(a), Guide: viewGuide(a), Held: a.Decision.Held,
		Approval: a.Approval, Deadline: a.Decision.Deadline, Diagnosis: a.Diagnosis, RetryAfter: a.RetryAfter,
	}
}

func viewSteps(steps []actuators.Step, begun int) []StepView {
	views := make([]StepView, len(steps))
	for i, s := range steps {
		views[i] = StepView{Text: s.Text, Irreversible: s.Irreversible, Begun: i < begun}
	}
	return views
}

// A PlanView is what would be done about one resource of a target, decided now.
type PlanView struct {
	Target    string           `json:"target"`
	Resource  policy.Resource  `json:"resource"`
	From      policy.Quantity  `json:"from"`
	To        policy.Quantity  `json:"to"`
	Direction policy.Direction `json:"direction,omitempty"`
	Strategy  policy.Strategy  `json:"strategy,omitempty"`
	Verdict   policy.Verdict   `json:"verdict"`
	Mode      policy.Mode      `json:"mode"`
	Policy    string           `json:"policy"`
	Condition string           `json:"condition,omitempty"`
	Why       string           `json:"why,omitempty"`
	// Refused and Held say what stands against it, if anything does.
	Refused string         `json:"refused,omitempty"`
	Held    *policy.Held   `json:"held,omitempty"`
	Touches []policy.Touch `json:"touches,omitempty"`
	Steps   []StepView     `json:"steps,omitempty"`
	Command string         `json:"command,omitempty"`
	Notes   []string       `json:"notes,omitempty"`
	// ActionID is the open action of this plan, and PlanHash what its approval binds to.
	DecisionID string `json:"decision_id,omitempty"`
	ActionID   string `json:"action_id,omitempty"`
	PlanHash   string `json:"plan_hash,omitempty"`
}

// An Explanation is everything that is known of one decision.
type Explanation struct {
	Now      time.Time       `json:"now"`
	Decision policy.Decision `json:"decision"`
	Action   *ActionView     `json:"action,omitempty"`
}

// A ReleaseView is what release did about one resource.
type ReleaseView struct {
	Target   string          `json:"target"`
	Resource policy.Resource `json:"resource"`
	From     policy.Quantity `json:"from"`
	To       policy.Quantity `json:"to"` // the original
	ActionID string          `json:"action_id,omitempty"`
	Done     bool            `json:"done"`
	Detail   string          `json:"detail"` // done, what it waits for, or why not
}

// A ReloadView is what a reload did.
type ReloadView struct {
	Hash    string `json:"hash"`
	Changed bool   `json:"changed"`
	// Restart names the keys that changed and take effect only after a restart.
	Restart  []string `json:"needs_restart,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}
