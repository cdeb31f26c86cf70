// Package actuators carries decided changes out: a [Driver] adapts one platform, and the [Executor]
// takes an [Action] from draining to its end, over crashes, with validation and rollback.
//
// A change is data before it is done. A driver plans [Step]s; the executor journals each one, syncs,
// and only then does it, so that a process that never saw the action begin can finish or undo it. A
// record that cannot be written stops the change before the step.
//
// The stages of an action, each in a file of its own:
//
//	begin     the plan is looked at again: is it still what it was decided on?
//	drain     a restart only: backup, somebody else's maintenance, ours, in-flight work
//	apply     the steps, in order
//	verify    what holds now; a restart: health, maintenance off, smoke tests
//	validate  guards, effect and checklist, until it is proven, useless or harmful
//	rollback  the steps undone, in reverse
//	recover   where a successor goes on, by the state in the journal
//
// What an effect is says effect.go and its neighbours, which are pure; what was tried, reversed or
// changed before, history.go.
//
// The executor owns everything from draining on; what comes before (proposed, waiting) is the
// agent's. What the executor needs of the agent (journal, querier, meter, events) are the small
// interfaces in needs.go. Each action under way has one goroutine, which alone writes it; [Executor.Close]
// stops them where a successor can go on, and joins them. Of one target one action at a time is in an
// [Exclusive] state.
package actuators
