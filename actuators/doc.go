// Package actuators carries decided changes out: a [Driver] adapts one platform, and the [Executor]
// takes an [Action] from draining to its end, over crashes, with validation and rollback.
//
// A change is data before it is done. A driver plans [Step]s; the executor journals each one, syncs,
// and only then does it, so that a process that never saw the action begin can finish or undo it.
// The executor owns everything from draining on; what comes before (proposed, waiting) is the
// agent's. What the executor needs of the agent (journal, querier, meter, events) are the small
// interfaces in needs.go.
package actuators
