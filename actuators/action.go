package actuators

import (
	"encoding/json"
	"time"

	"github.com/engramd/engramd/policy"
)

// An ActionState is where an action is on its way. The final ones are also the values of outcome.
type ActionState = policy.Outcome

// The states, in order. Up to Waiting an action belongs to the agent, from Draining on to the
// executor.
const (
	Proposed   ActionState = "proposed"
	Waiting    ActionState = "waiting"
	Draining   ActionState = "draining"
	Applying   ActionState = "applying"
	Verifying  ActionState = "verifying"
	Validating ActionState = "validating"

	Committed    ActionState = "committed"
	Insufficient ActionState = "insufficient" // helped or needed, and more is needed
	Kept         ActionState = "kept"         // could or should not be undone; a person should look
	Inconclusive ActionState = "inconclusive" // nothing could be shown either way; kept
	Superseded   ActionState = "superseded"   // a later growth or somebody else's change took over

	RollingBack ActionState = "rolling_back"
	RolledBack  ActionState = "rolled_back"
	Failed      ActionState = "failed" // a person is needed; the resource is frozen

	Cancelled ActionState = "cancelled" // the condition went away, or a person cancelled it
	Rejected  ActionState = "rejected"  // a person said no
	Expired   ActionState = "expired"   // its approval or deadline passed
)

// Final reports whether an action in state s is over.
func Final(s ActionState) bool {
	switch s {
	case Committed, Insufficient, Kept, Inconclusive, Superseded, RolledBack, Failed, Cancelled, Rejected, Expired:
		return true
	}
	return false
}

// Stays reports whether an action that ended in state s left the target at its new size, if it got so
// far as to change it.
func Stays(s ActionState) bool {
	switch s {
	case Committed, Insufficient, Inconclusive, Kept:
		return true
	}
	return false
}

// Exclusive reports whether no other action on the same target may run beside one in state s.
func Exclusive(s ActionState) bool {
	switch s {
	case Draining, Applying, Verifying, RollingBack:
		return true
	}
	return false
}

// An Action is one decided change on its way, with everything a process that never saw it begin
// needs to finish or undo it. It is the journal's record.
type Action struct {
	ID       string          `json:"id"`
	Decision policy.Decision `json:"decision"`
	Target   policy.Target   `json:"-"` // looked up again by name after a restart
	// TargetName, Driver and SpecJSON tell a successor with another configuration what to undo.
	TargetName string          `json:"target"`
	Driver     string          `json:"driver"`
	Key        string          `json:"key,omitempty"` // see Keyed
	SpecJSON   json.RawMessage `json:"spec,omitempty"`

	Resource  policy.Resource  `json:"resource"`
	Direction policy.Direction `json:"direction"`
	From      policy.Quantity  `json:"from"`
	To        policy.Quantity  `json:"to"`
	// First is the size before the first of a row of superseded growths; From if there was none.
	First policy.Quantity `json:"first"`

	State ActionState `json:"state"`
	Plan  Plan        `json:"plan"`
	// Earlier are the steps of superseded growths before this one, oldest first: a rollback undoes
	// them after its own, back to First. See [Action.Follows].
	Earlier []Step `json:"earlier,omitempty"`
	// PlanHash binds an approval to (from, to, steps); see [PlanHash].
	PlanHash  string       `json:"plan_hash"`
	Procedure Procedure    `json:"procedure"`
	Times     []Transition `json:"times"`
	// Done counts the steps begun: steps[:Done] may have been carried out.
	Done int `json:"done"`
	// PartIDs are the ids and start times of the parts when the action was planned.
	Parts []PartID `json:"parts,omitempty"`
	// MaintenanceOn says that we switched the drain on and must switch it off.
	MaintenanceOn bool `json:"maintenance_on,omitempty"`
	// Interrupted says that engramd stopped or died, and that the action ended only therefore: what was asked for is still to be done.
	Interrupted bool `json:"interrupted,omitempty"`
	// RestartedValidation says that a crash has restarted the validation once already.
	RestartedValidation bool `json:"restarted_validation,omitempty"`
	Extended            bool `json:"extended,omitempty"`
	// Unfinished says that the action is over and its leftovers are not cleared away yet.
	Unfinished bool `json:"unfinished,omitempty"`
	// Baseline is what was measured right before the change, or before the first of a row of
	// superseded growths.
	Baseline *Baseline `json:"baseline,omitempty"`
	// Checks are the looks at the effect so far, Progress what was done on the way and how long it took.
	Checks   []Check    `json:"checks,omitempty"`
	Progress []Progress `json:"progress,omitempty"`
	Approval *Approval  `json:"approval,omitempty"`
	// Reason says in a sentence why the action is in its state.
	Reason    string `json:"reason,omitempty"`
	Diagnosis string `json:"diagnosis,omitempty"`
	// LastTrue is when a waiting action's row last held; RetryAfter ends the memory of a change
	// without effect, DemandCores is the demand it was found under.
	LastTrue    time.Time `json:"last_true,omitzero"`
	RetryAfter  time.Time `json:"retry_after,omitzero"`
	DemandCores *float64  `json:"demand_cores,omitempty"`
	// ReversedAt is when somebody else was seen to have put the value back to From after this action
	// had committed; see [Reversed].
	ReversedAt time.Time `json:"reversed_at,omitzero"`
}

// A Transition is when an action entered a state.
type Transition struct {
	State  ActionState `json:"state"`
	At     time.Time   `json:"at"`
	Reason string      `json:"reason,omitempty"`
}

// A PartID identifies one part as it was when the action was planned.
type PartID struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	StartedAt time.Time `json:"started_at"`
	Life      string    `json:"life,omitempty"` // see [Part]
}

// A Check is one look at whether a change helped.
type Check struct {
	At    time.Time `json:"at"`
	Shown *bool     `json:"shown,omitempty"` // nil: nothing measurable
	Text  string    `json:"text"`
}

// A Baseline is what a target did right before a change, to judge the change by.
type Baseline struct {
	At        time.Time     `json:"at"` // its end
	Length    time.Duration `json:"length"`
	Usage     Usage         `json:"usage"`
	P99       *float64      `json:"p99,omitempty"`
	ErrorRate *float64      `json:"error_rate,omitempty"`
	// Healthy is whether the health request was answered before a live change; nil if not asked.
	Healthy *bool `json:"healthy,omitempty"`
	// Require says of each line of the checklist whether it held, nil where it was unknown.
	Require []*bool `json:"require,omitempty"`
}

// An Approval is a person's yes, bound to one plan.
type Approval struct {
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	PlanHash string    `json:"plan_hash"`
	Expires  time.Time `json:"expires"`
}
