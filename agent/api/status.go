package api

import (
	"time"

	"github.com/engramd/engramd/policy"
)

// Status is how the agent and its targets are.
type Status struct {
	Version   string      `json:"version"`
	PID       int         `json:"pid"`
	StartedAt time.Time   `json:"started_at"`
	Now       time.Time   `json:"now"`
	Mode      policy.Mode `json:"mode"`
	DataDir   string      `json:"data_dir"`
	Config    ConfigView  `json:"config"`
	// NotReady says what is missing, "" if nothing is.
	NotReady string `json:"not_ready,omitempty"`
	// Troubles are sentences about the agent itself: a full disk, a source of metrics that is away.
	Troubles []string       `json:"troubles,omitempty"`
	Loop     LoopView       `json:"loop"`
	Metrics  MetricsView    `json:"metrics"`
	Node     *NodeView      `json:"node,omitempty"`  // the embedded one
	Pause    *PauseView     `json:"pause,omitempty"` // of every target
	Targets  []TargetStatus `json:"targets"`
}

// NodeView is the embedded memory node.
type NodeView struct {
	URL string `json:"url"` // of its API
	// Ended says of what it died, "" while it lives.
	Ended string `json:"ended,omitempty"`
}

// ConfigView is which configuration is in force.
type ConfigView struct {
	Path     string    `json:"path"`
	Hash     string    `json:"hash"`
	LoadedAt time.Time `json:"loaded_at"`
	// Refused says why the last reload was refused, "" if it was not.
	Refused  string   `json:"refused,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// LoopView is how the deciding goes.
type LoopView struct {
	LastAt          time.Time `json:"last_at,omitzero"`
	DurationSeconds float64   `json:"duration_seconds"`
}

// MetricsView is where samples come from.
type MetricsView struct {
	Source          string       `json:"source"` // "embedded", or the URL of a Prometheus
	IntervalSeconds float64      `json:"interval_seconds"`
	Scrapes         []ScrapeView `json:"scrapes,omitempty"`
}

// ScrapeView is one address that is scraped.
type ScrapeView struct {
	Job    string    `json:"job"`
	URL    string    `json:"url"`
	Target string    `json:"target,omitempty"`
	Up     bool      `json:"up"`
	LastAt time.Time `json:"last_at,omitzero"`
	Error  string    `json:"error,omitempty"`
}

// A TargetState is the one word for how a target is.
type TargetState string

// The target states; where several hold, the first of them is said.
const (
	TargetStandby TargetState = "standby" // another agent holds it
	TargetAbsent  TargetState = "absent"  // the platform does not know it (now)
	TargetFrozen  TargetState = "frozen"  // every resource, or one after a failure
	TargetPaused  TargetState = "paused"
	TargetActing  TargetState = "acting" // an action is past waiting
	TargetWaiting TargetState = "waiting"
	TargetBlind   TargetState = "blind" // some policy cannot see
	TargetOK      TargetState = "ok"
)

// TargetStatus is how one target is.
type TargetStatus struct {
	Name     string      `json:"name"`
	Platform string      `json:"platform"` // "docker engram, node http://..."
	Mode     policy.Mode `json:"mode"`
	State    TargetState `json:"state"`
	// Detail is a sentence about the state.
	Detail string `json:"detail,omitempty"`
	// Runtime says what runs in it, and what of its limits that does not follow; "" is not known.
	Runtime   string           `json:"runtime,omitempty"`
	Resources []ResourceStatus `json:"resources,omitempty"`
	Policies  []PolicyStatus   `json:"policies,omitempty"`
	Budget    *BudgetView      `json:"budget,omitempty"`
	Pause     *PauseView       `json:"pause,omitempty"`
	Holder    *HolderView      `json:"holder,omitempty"` // who holds it, on standby
	Window    *WindowView      `json:"maintenance_window,omitempty"`
	Actions   []ActionView     `json:"actions,omitempty"` // open ones
}

// ResourceStatus is one resource of a target. Quantities are in the resource's unit.
type ResourceStatus struct {
	Resource   policy.Resource `json:"resource"`
	Configured policy.Quantity `json:"configured"`
	Effective  policy.Quantity `json:"effective"`
	// Desired is what the agent would have it be: To of an open action, else what is configured.
	Desired policy.Quantity `json:"desired"`
	Min     policy.Quantity `json:"min,omitzero"`
	Max     policy.Quantity `json:"max,omitzero"`
	// Used is the mean (CPU) or largest (memory) use of the last interval; nil if not measured.
	Used *int64 `json:"used,omitempty"`
	// CooldownUp and CooldownDown are when growth and decrease are free again.
	CooldownUp   time.Time       `json:"cooldown_up,omitzero"`
	CooldownDown time.Time       `json:"cooldown_down,omitzero"`
	Freeze       *FreezeView     `json:"freeze,omitempty"`
	Original     policy.Quantity `json:"original,omitzero"` // before engramd; unset if never changed
}

// PolicyStatus is what one policy or alert says about a target now; of a right-size policy, about one resource.
type PolicyStatus struct {
	Name      string           `json:"name"`
	Kind      string           `json:"kind"` // matrix, rightsize, alert
	Verdict   policy.Verdict   `json:"verdict,omitempty"`
	Row       int              `json:"row"` // from 1, 0 for otherwise; -1 where there are no rows
	Condition string           `json:"condition,omitempty"`
	Since     time.Time        `json:"since,omitzero"` // since when the row has been true
	Why       string           `json:"why,omitempty"`  // for blind: what it cannot see
	Readings  []policy.Reading `json:"readings,omitempty"`
}

// BudgetView is what is left of a target's budget.
type BudgetView struct {
	HourLeft        int `json:"hour_left"`
	HourOf          int `json:"hour_of"`
	DayLeft         int `json:"day_left"`
	DayOf           int `json:"day_of"`
	EmergenciesLeft int `json:"emergencies_left"`
	EmergenciesOf   int `json:"emergencies_of"`
}

// PauseView is a pause.
type PauseView struct {
	Target string    `json:"target,omitempty"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
}

// FreezeView is a freeze.
type FreezeView struct {
	Target   string          `json:"target"`
	Resource policy.Resource `json:"resource,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	By       string          `json:"by,omitempty"`
	At       time.Time       `json:"at"`
	Until    time.Time       `json:"until,omitzero"`
}

// HolderView is the agent that holds a target.
type HolderView struct {
	PID     int       `json:"pid,omitempty"`
	DataDir string    `json:"data_dir,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// WindowView is the next, or the open, maintenance window.
type WindowView struct {
	Name  string    `json:"name"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}
