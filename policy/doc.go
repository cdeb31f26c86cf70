// Package policy decides: from signals, limits and history to what should change, and why.
//
// It is pure. It does no I/O, starts no goroutine and never reads the clock: now is an argument, and
// the same inputs give the same decision. Everything that lasts between two calls (the clocks of a
// matrix's rows, the ledger of what was spent) is a value that goes in and comes out again.
//
// The way of one decision: [Policy.Evaluate] finds the row of a matrix that holds and turns it into
// proposals; [Decide] takes all proposals for one target, sizes each within the limits of the target
// and the host, and picks one a resource; [Hold] says what it must still wait for. Each of them
// records what it did on the [Decision], so that it can be explained later.
//
// Reading the source: matrix.go, row.go, look.go and judge.go are the matrix; sizing.go, grow.go,
// shrink.go and admission.go the limits, in their order; arbitrate.go and decide.go what wins;
// kind.go and hold.go the table of what can hold a change; ledger.go what was spent; window.go and
// deadline.go when a restart may begin; lint.go, coverage.go and box.go what is wrong with a matrix;
// unit.go, change.go, interval.go and duration.go how people write all this.
package policy
