package policy

import "time"

// A Target is one service that engramd keeps the right size.
type Target struct {
	Name string
	// Specs holds, by driver name ("docker", "node", ...), the section of agent.yaml that says where
	// the target is. The driver's registry entry decoded it, and only the driver reads it.
	Specs map[string]any
	Mode  Mode
	// Limits bounds what any policy may ask for. A resource that is absent has no bounds.
	Limits map[Resource]Bounds
	// CPUs is where the target is to be kept, "" for no wish: [Decide] proposes it whenever it is not so.
	CPUs Placement
	// Apply says, by resource, what the process can follow; see Runtimes in the documentation.
	Apply map[Resource]Apply
	// Runtime is auto, go, jvm or other.
	Runtime string
	// MaintenanceWindow names the window that binds restarts, "" if none is declared.
	MaintenanceWindow string
	// LiveInWindow holds live changes, too, until the maintenance window.
	LiveInWindow bool
	// AdoptUnlimited allows a live limit on memory that had none (its undo is a recreate).
	AdoptUnlimited bool
	// AllowIrreversible allows steps that cannot be undone.
	AllowIrreversible bool
	// StopTimeout is how long a restart lets the process end by itself; 0 is the platform's default.
	StopTimeout time.Duration
	// Memory says what moves along with a memory limit.
	Memory MemoryOptions
}

// MemoryOptions say what moves along with a memory limit.
type MemoryOptions struct {
	// Reservation is the reserved (protected) part of the limit, as a fraction: 0.5 is 50%. 0 leaves
	// the reservation as it is, but never above the limit.
	Reservation float64
	// Swap is how the limit on swap follows; empty is [SwapKeepDelta].
	Swap Swap
}

// Swap says how the limit on swap follows one on memory.
type Swap string

// How swap follows memory. Unlimited swap stays unlimited under the first two.
const (
	SwapKeepDelta Swap = "keep-delta" // as many bytes of swap as before
	SwapKeepRatio Swap = "keep-ratio" // in proportion to memory
	SwapNone      Swap = "none"       // no swap
)

// Bounds are the limits within which one resource of a target may move, in the resource's unit.
// Unset means no bound.
type Bounds struct {
	Min, Max Quantity
	// Steps are the only sizes allowed, ascending; empty means any.
	Steps []int64
	// MaxStepUp and MaxStepDown bound one change, as a fraction of the size before it (0.5 is 50%);
	// 0 means no bound.
	MaxStepUp, MaxStepDown float64
}

// A Mode says how far an agent may go by itself.
type Mode string

// The modes, from the most careful to the least. The empty Mode inherits.
const (
	DryRun  Mode = "dry-run"
	Approve Mode = "approve"
	Auto    Mode = "auto"
)

// Apply says how a target's process takes a change of one resource.
type Apply string

// The ways a process takes a change.
const (
	ApplyLive     Apply = "live"
	ApplyRestart  Apply = "restart"
	ApplyGrowLive Apply = "grow-live" // growth live, decrease by restart
)

// A Strategy is how a plan changes a target: while it runs, or by a drained restart.
type Strategy string

// The strategies.
const (
	Live    Strategy = "live"
	Restart Strategy = "restart"
)

// A Direction is which way a change goes.
type Direction string

// The directions. An Operation has no size and so no direction; a Move is to as many other processors.
const (
	Growth    Direction = "growth"
	Decrease  Direction = "decrease"
	Move      Direction = "move"
	Operation Direction = "operation"
)

// A Reading is the value of one signal at one instant, or unknown: absent is never zero.
type Reading struct {
	Signal string    `json:"signal"`
	Expr   string    `json:"expr,omitempty"`
	Value  float64   `json:"value"`
	Known  bool      `json:"known"`
	At     time.Time `json:"at,omitzero"`      // when the newest raw sample under it was taken
	Reason string    `json:"reason,omitempty"` // why it is unknown
}
