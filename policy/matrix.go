package policy

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// A Matrix turns signals into verdicts: the first row that is true wins.
type Matrix struct {
	// Signals holds the expression of each signal, by name.
	Signals map[string]string
	Rows    []Row
	// Otherwise answers where no row does; nil leaves a gap, which holds.
	Otherwise *Row
	// LongestRange is the longest look back of any signal's expression; see FreshAt in [Inputs].
	LongestRange time.Duration
}

// A Row is one line of a matrix.
type Row struct {
	// When holds a half-open interval for each signal the row reads. The row is true when all hold.
	When map[string]Interval
	// For is how long the row must have been true without a break.
	For time.Duration
	// Do is what to do; Diagnose may stand beside any one other verdict.
	Do []Verdict
	// Why is shown to people; a hold must say it.
	Why     string
	Changes []Change
	// Within is the deadline for a change that has to wait, counted from the decision; 0 is none.
	Within     time.Duration
	AtDeadline AtDeadline
}

// An Interval holds the values v with Lo <= v < Hi. Infinite bounds are open.
type Interval struct{ Lo, Hi float64 }

// Contains reports whether v lies in the interval.
func (i Interval) Contains(v float64) bool { return i.Lo <= v && v < i.Hi }

// MarshalJSON writes [lo, hi] with null for an open bound: JSON has no infinity.
func (i Interval) MarshalJSON() ([]byte, error) {
	bound := func(f float64) *float64 {
		if math.IsInf(f, 0) {
			return nil
		}
		return &f
	}
	return json.Marshal([2]*float64{bound(i.Lo), bound(i.Hi)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Interval) UnmarshalJSON(b []byte) error {
	var pair [2]*float64
	if err := json.Unmarshal(b, &pair); err != nil {
		return fmt.Errorf("interval: want [lo, hi]: %w", err)
	}
	*i = Interval{math.Inf(-1), math.Inf(1)}
	if pair[0] != nil {
		i.Lo = *pair[0]
	}
	if pair[1] != nil {
		i.Hi = *pair[1]
	}
	return nil
}

// A Verdict is what a row says should happen.
type Verdict string

// The verdicts.
const (
	None      Verdict = "none"      // abstain
	HoldSize  Verdict = "hold"      // veto decreases
	PlanOnly  Verdict = "plan"      // propose; never runs by itself
	Scale     Verdict = "scale"     // change within the row's deadline
	Emergency Verdict = "emergency" // change now
	Diagnose  Verdict = "diagnose"  // look for the bottleneck, beside another verdict
	Blind     Verdict = "blind"     // the policy cannot see: an outcome, never written in a row
)

// AtDeadline says what becomes of a restart for which no maintenance window came in time.
type AtDeadline string

// What happens at a deadline.
const (
	Ask           AtDeadline = "ask"
	RunAtDeadline AtDeadline = "run"
)

// A Change is what a row, an alert or a person asks of one resource. Exactly one of By and To is set,
// and neither for an operation.
type Change struct {
	Resource Resource `json:"resource"`
	By       *By      `json:"by,omitempty"`
	To       *To      `json:"to,omitempty"`
	// Cap ends growth; it never shrinks. Unset is no cap.
	Cap Quantity `json:"cap,omitzero"`
}

// By is a relative change: a factor, or an amount added.
type By struct {
	Factor float64 `json:"factor,omitempty"` // x2 is 2, 50% is 1.5, -20% is 0.8
	Add    int64   `json:"add,omitempty"`
}

// To is an absolute change.
type To struct {
	Max    bool  `json:"max,omitempty"` // the largest that limits and host allow
	Amount int64 `json:"amount,omitempty"`
}

// A Policy is one rule for one or several targets.
type Policy struct {
	Name    string
	Targets []string
	// ByTarget says that the expressions answer for all targets at once, a series each, by the label
	// "target".
	ByTarget bool
	Every    time.Duration
	Mode     Mode
	Matrix   *Matrix
}
