package policy

import "time"

// A Proposal is what one policy or alert wants of one resource of one target, before anything else
// was asked.
type Proposal struct {
	Target    string     `json:"target"`
	Policy    string     `json:"policy"` // the policy's or alert's name
	Source    Source     `json:"source,omitempty"`
	Row       int        `json:"row"`                 // from 1; 0 for otherwise, -1 where there is none
	Condition string     `json:"condition,omitempty"` // the row as a person would write it
	Verdict   Verdict    `json:"verdict"`
	Change    Change     `json:"change"`
	Mode      Mode       `json:"mode,omitempty"`
	Deadline  time.Time  `json:"deadline,omitzero"`
	AtDead    AtDeadline `json:"at_deadline,omitempty"`
	Why       string     `json:"why,omitempty"`
	// Evidence is what a right-size policy saw (throttling, PSI, OOM), "" for others.
	Evidence string `json:"evidence,omitempty"`
	// Readings are the signals that the row read.
	Readings []Reading `json:"readings,omitempty"`
	// From and To are the size before and the one proposed. [Decide] sets To, within all limits; it
	// is unset where the change cannot be had, and for an operation.
	From      Quantity  `json:"from"`
	To        Quantity  `json:"to"`
	Direction Direction `json:"direction,omitempty"`
}

// A Source is what kind of policy a proposal comes from.
type Source string

// The sources.
const (
	FromMatrix    Source = "matrix"
	FromAlert     Source = "alert"
	FromRightsize Source = "rightsize"
	FromSchedule  Source = "schedule"
	FromPerson    Source = "person"
	FromTarget    Source = "target" // its own section asks to be kept so
)

// A Touch is one limit that changed or refused a proposal, with its number.
type Touch struct {
	Limit string   `json:"limit"` // "max", "steps", "host admission", "cooldown up", ...
	From  Quantity `json:"from"`
	To    Quantity `json:"to"`
	Text  string   `json:"text"` // a sentence with the number
}

// A Loser is a proposal that another one or a limit beat.
type Loser struct {
	Proposal Proposal `json:"proposal"`
	Reason   string   `json:"reason"`
}

// A Held says what a decided change still waits for.
type Held struct {
	By    string    `json:"by"` // see HeldByPlan and its neighbours
	Text  string    `json:"text"`
	Until time.Time `json:"until,omitzero"` // zero: not known
	// Also names what else holds it: a change that only a dry run holds would run now.
	Also []string `json:"also,omitempty"`
}

// An Outcome is how a decision, and the action it led to, ended or stands.
type Outcome string

// A Decision is one proposal that won, with everything that touched it.
type Decision struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	LastAt time.Time `json:"last_at"` // identical proposals are one decision
	Count  int       `json:"count"`   // with a count
	Proposal
	Strategy Strategy `json:"strategy,omitempty"`
	Touches  []Touch  `json:"touches,omitempty"`
	Losers   []Loser  `json:"losers,omitempty"`
	// Refused says why nothing will be done, "" otherwise.
	Refused string `json:"refused,omitempty"`
	// Advice says that it is refused because it is not ours to do: a person may.
	Advice   bool    `json:"advice,omitempty"`
	Held     *Held   `json:"held,omitempty"`
	ActionID string  `json:"action_id,omitempty"`
	Outcome  Outcome `json:"outcome,omitempty"`
	// Diagnosis is what was found when a diagnosis was asked for.
	Diagnosis string `json:"diagnosis,omitempty"`
	// Runtime says what runs in the target, and what of its limits that does not follow.
	Runtime string `json:"runtime,omitempty"`
}

// An Event is one thing that happened and that somebody may want to hear of.
type Event struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"time"`
	Type     EventType         `json:"type"`
	Severity Severity          `json:"severity"`
	Target   string            `json:"target,omitempty"`
	Resource Resource          `json:"resource,omitempty"`
	Action   string            `json:"action,omitempty"`   // id
	Decision string            `json:"decision,omitempty"` // id
	From     Quantity          `json:"from"`
	To       Quantity          `json:"to"`
	Outcome  Outcome           `json:"outcome,omitempty"`
	Message  string            `json:"message"` // one sentence for people
	Details  map[string]string `json:"details,omitempty"`
}

// An EventType names what happened: "decision", "state", "blind", "drift", ...
type EventType string

// The event types.
const (
	EventDecision EventType = "decision" // decided, or refused
	EventPlan     EventType = "plan"     // what would be done (dry-run and approve)
	EventState    EventType = "state"    // an action entered a state
	EventStep     EventType = "step"     // do, undo or verify of one step
	EventValidate EventType = "validate" // one look during validation
	EventDrift    EventType = "drift"    // the platform shows something else than was configured
	EventReversal EventType = "reversal" // somebody took our change back
	EventFreeze   EventType = "freeze"   // a resource was frozen or unfrozen
	EventPause    EventType = "pause"    // a target was paused or resumed
	EventBlind    EventType = "blind"    // a policy cannot see
	EventStandby  EventType = "standby"  // another agent holds a target
	// EventReconcile: parts that came by themselves were given the committed size, or could not be.
	EventReconcile EventType = "reconcile"
	EventDiagnose  EventType = "diagnose" // a diagnosis was made
	EventAlert     EventType = "alert"    // a Prometheus alert fires, or is over
	EventAgent     EventType = "agent"    // the agent itself: started, stopping, reloaded
	EventFailure   EventType = "failure"  // a person is needed
)

// Severity is how loud an event is.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)
