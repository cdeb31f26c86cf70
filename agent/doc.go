// Package agent is the runtime: it watches targets, decides, and has the executor act.
//
// [New] opens everything and starts nothing, [Agent.Run] blocks until its context ends and joins
// every goroutine that it started, [Agent.Close] gives everything back and may be called twice.
//
// One goroutine, the loop, owns all state of deciding: clocks, ledgers, waiting actions. What takes
// long happens beside it and comes back as a message: signals are read by a look, targets are
// observed by the collectors, actions are carried out by the executor. Whoever wants something of the
// loop from outside (the API) hands it a function and waits for the answer.
//
// The way of one tick: [Agent.look] reads the signals of every policy that is due, each target is
// evaluated and decided upon (package policy, pure), each decision is planned by its driver, held or
// begun, and recorded. Until an action drains it belongs to the loop, from then on to the executor,
// whose updates the loop takes in.
package agent
