package policy

import "time"

// A Situation is everything known about one target at one instant. [Decide] reads nothing else.
type Situation struct {
	Now    time.Time
	Target Target
	// AgentMode is the agent's own mode; the target's is on Target, a policy's on its proposals.
	AgentMode Mode
	// Sizes is what the target has per part (container, pod, unit). A resource that is absent was not
	// observed; Unset and Unlimited mean that nothing limits it.
	Sizes Size
	// Parts is how many parts there are, for host admission; 0 counts as 1.
	Parts int
	// Owners names, for each resource, the driver that can change it. What has none is advice.
	Owners map[Resource]string
	Host   Host

	Evaluations []Evaluation
	// Proposals come from everything that is not a matrix: alerts, right-sizing, a person.
	Proposals []Proposal
	// Rightsize names, for each resource, the right-size policy that owns it.
	Rightsize map[Resource]string

	Ledger Ledger
	Shadow Ledger // what dry runs would have spent
	Safety Safety
	Frozen map[Resource]string // the reason, for each frozen resource
	Paused *Pause
	// Actions are the target's open actions, waiting ones included.
	Actions []OpenAction
	// Tried are the changes that had no effect.
	Tried []Attempt

	// Window is the target's maintenance window, nil if none is declared.
	Window *MaintenanceWindow
	// Need is how long a restart takes at most: drain, apply, health and settle together.
	Need time.Duration

	// WorkingSet is the memory that the target's largest part cannot give back, in bytes: the larger
	// of its working set and its anonymous memory. Nil was not measured.
	WorkingSet *int64
	// Floors bound decreases from below, by resource, beside the target's own limits.
	Floors map[Resource]Floor
	// DemandCores is how much CPU the target wants now, nil if not measured.
	DemandCores *float64
}

// A Floor is the least that a target's process can live with.
type Floor struct {
	Limit  string // what it is called among the limits: "heap"
	Amount int64
	Text   string // a sentence with the number
}

// Safety is how often and how far an agent may act; the `safety` section of agent.yaml.
type Safety struct {
	Cooldown Cooldown
	Budget   Budget
}

// A Cooldown is how long a resource stays as it is after a change of it, in either direction.
type Cooldown struct {
	Up   time.Duration // before the next growth
	Down time.Duration // before the next decrease
}

// A Budget bounds the changes of one target. Zero allows nothing, a negative number anything.
type Budget struct {
	PerHour           int
	PerDay            int
	EmergenciesPerDay int
}

// A Pause is a person's word that nothing of a target is to be touched.
type Pause struct {
	Until  time.Time `json:"until,omitzero"` // zero: until resumed
	Reason string    `json:"reason,omitempty"`
}

// A Host is the machine that a target runs on, as far as admission cares.
type Host struct {
	// Skip says why admission is not ours to judge (Kubernetes, another machine); "" judges.
	Skip string
	// Capacity is what the host has, Reserve what must stay free. A resource without capacity is not
	// known, and nothing of it is granted.
	Capacity, Reserve Amounts
	// OtherTargets sums what the other targets on this host may use; see [Claim].
	OtherTargets Amounts
	// OtherUse is the measured use of everything on the host that is no target.
	OtherUse Amounts
	// Overcommit allows the limits on CPU of all targets together to exceed the host.
	Overcommit bool
	// Topology is how its processors lie; without nodes that is not known, and no processors are
	// chosen. Allowed are those of them that the target could have, nil for all.
	Topology Topology
	Allowed  IDs
	// Pinned are the other targets that keep to some of the processors, or are about to.
	Pinned []Pinned
}

// Amounts holds a number of units for each of some resources. Absent is not known.
type Amounts map[Resource]int64

// An OpenAction is what deciding needs to know of an action that is not over.
type OpenAction struct {
	ID        string
	Resource  Resource
	Direction Direction
	State     Outcome // waiting, draining, applying, verifying, validating or rolling_back
	Policy    string
	Row       int
	From, To  Quantity
	// Deadline is a waiting action's, counted from its first decision: the same proposal seen again
	// does not begin to count anew.
	Deadline time.Time
}

// An Attempt is a change that had no effect, or was taken back or refused, and is not tried again in the
// same circumstances.
type Attempt struct {
	Resource    Resource  `json:"resource"`
	Policy      string    `json:"policy"`
	Row         int       `json:"row"`
	From        Quantity  `json:"from"`
	To          Quantity  `json:"to"`
	DemandCores *float64  `json:"demand_cores,omitempty"`
	At          time.Time `json:"at"`
	RetryAfter  time.Time `json:"retry_after"`
	Action      string    `json:"action,omitempty"` // id
	// What says in words what became of it; "" had no effect.
	What string `json:"what,omitempty"`
}
