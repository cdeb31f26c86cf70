package policy

import "time"

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
