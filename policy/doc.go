// Package policy decides: from signals, limits and history to what should change, and why.
//
// It is pure. It does no I/O, starts no goroutine and never reads the clock: now is an argument, and
// the same inputs give the same decision. Everything that lasts between two calls (the clocks of a
// matrix's rows, the ledger of what was spent) is a value that goes in and comes out again.
//
// The way of one decision: [Matrix.Evaluate] finds the row that holds and turns it into proposals;
// [Arbitrate] picks one proposal a resource; [Limit] cuts it to what the target, the host and the
// cooldowns allow; [Hold] says what it must still wait for. Each of them records what it did on the
// [Decision], so that it can be explained later.
package policy
