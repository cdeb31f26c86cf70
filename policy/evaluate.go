package policy

import "time"

// Inputs is what a matrix sees at one instant.
type Inputs struct {
	Now time.Time
	// Readings holds one reading for each signal; one that is absent is unknown.
	Readings map[string]Reading
	// FreshAt holds, for each resource that was changed, the end of its last change + settle: what was
	// sampled before says nothing about what the target has now.
	FreshAt map[Resource]time.Time
	// Sizes is what the target has; it tells whether `to: N` grows. It may be nil.
	Sizes Size
}

// An Evaluation is what one policy says of one target at one instant.
type Evaluation struct {
	Policy string    `json:"policy"`
	Target string    `json:"target"`
	At     time.Time `json:"at"`
	Mode   Mode      `json:"mode,omitempty"`
	// Verdict is the winning row's, Blind if a signal that is needed is unknown, and HoldSize in a gap
	// or while a growth row has not yet held for its `for`.
	Verdict   Verdict `json:"verdict"`
	Row       int     `json:"row"`                 // from 1; 0 for otherwise, -1 where there is none
	Condition string  `json:"condition,omitempty"` // the row as a person would write it
	Why       string  `json:"why,omitempty"`
	Diagnose  bool    `json:"diagnose,omitempty"`
	// Text is the whole in one sentence.
	Text string `json:"text"`
	// Blind says that a row before any that is true could not be decided. A growth may fire all the
	// same.
	Blind bool `json:"blind,omitempty"`
	Gap   bool `json:"gap,omitempty"`
	// Veto says that no resource in VetoOn may shrink; an empty VetoOn is all of them.
	Veto     bool       `json:"veto,omitempty"`
	VetoOn   []Resource `json:"veto_on,omitempty"`
	Pending  *Pending   `json:"pending,omitempty"`
	Unknown  []Reading  `json:"unknown,omitempty"` // the signals that are missing, with the reason
	Readings []Reading  `json:"readings,omitempty"`
	// Holding lists the rows that have held for their `for`, also where an earlier one won.
	Holding   []int      `json:"holding,omitempty"`
	Proposals []Proposal `json:"proposals,omitempty"`
}

// Pending says what a row that is true still waits for.
type Pending struct {
	Since time.Time     `json:"since,omitzero"` // when its clock began; zero while the evidence is stale
	For   time.Duration `json:"for"`
	// FreshAt is when evidence will be fresh, zero if it is.
	FreshAt time.Time `json:"fresh_at,omitzero"`
}
