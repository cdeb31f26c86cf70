package show

import "time"

// A State is all that is shown at one moment.
type State struct {
	Elapsed time.Duration
	// Where says where the node and the agent answer.
	Where string
	// Phases of the load, in order.
	Phases []Phase
	// Note says what the load does now.
	Note string
	// Signals are what the agent reads, and what the load measures itself.
	Signals []Signal
	// Rows are the matrices of the policies, with the row that holds now.
	Rows []Row
	// Actions that were decided, oldest first.
	Actions []Action
	// Trouble is what is wrong now, "" if nothing is.
	Trouble string
}

// A Stage is how far something is.
type Stage int

// The stages.
const (
	Ahead Stage = iota
	Running
	Done
	Failed
)

// A Phase is a part of the demo.
type Phase struct {
	Name  string
	Stage Stage
}

// A Signal is one number over time.
type Signal struct {
	Name string
	Unit string
	// History has one value for each look, newest last; NaN is unknown.
	History []float64
	// Bound is where a row of a matrix begins; 0 is none.
	Bound float64
}

// A Row is what one policy says.
type Row struct {
	Policy    string
	Condition string // of the row that holds, as a person would write it
	Verdict   string // or how long it has been true
	Acts      bool   // it wants a change, or will
}

// An Action is one change and what became of it.
type Action struct {
	ID      string
	What    string // "threads.spreading 1 -> 2"
	Because string // the row, with what it saw
	State   string // as the agent calls it
	Stage   Stage  // Running until it ended
	// Good says that it ended as a change should: it helped, and stays.
	Good bool
	// Checks are what validation found, newest last.
	Checks []Check
	Reason string // of the state
	// Diagnosis says why it did not help, "" if it did or nobody looked yet.
	Diagnosis string
}

// A Check is one look at whether a change helps.
type Check struct {
	Mark Mark
	Text string
}

// A Mark is what a check found.
type Mark int

// The marks.
const (
	Unknown Mark = iota
	Helped
	NoHelp
)
