package agent

import (
	"fmt"
	"maps"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/process"
	"github.com/engramd/engramd/policy"
)

// heapRoom is what a Java virtual machine needs beside its heap, as a share of it: classes, compiled
// code, stacks and buffers.
const heapRoom = 0.25

// heapLimit is what the floor under a fixed heap is called among the limits.
const heapLimit = "heap"

// kind is what runs in the target: what the configuration says, else what was found.
func (t *target) kind() process.Kind {
	switch said := t.cfg.Runtime; {
	case said != "" && said != "auto":
		return process.Kind(said)
	case t.runtime == nil:
		return process.Unknown
	}
	return t.runtime.Kind
}

// subject is the target as it is decided and planned upon: where the configuration does not say how its
// process takes a change, what runs in it does. A Java virtual machine's heap does not follow.
func (t *target) subject() policy.Target {
	s := t.cfg.Target
	kind := t.kind()
	if kind != process.Unknown {
		s.Runtime = string(kind)
	}
	if t.restartsForHeap() {
		s.Apply = maps.Clone(s.Apply)
		if s.Apply == nil {
			s.Apply = map[policy.Resource]policy.Apply{}
		}
		s.Apply[policy.Memory] = policy.ApplyRestart
	}
	return s
}

// restartsForHeap says that memory restarts the target because of what runs in it, not because the
// configuration says so.
func (t *target) restartsForHeap() bool {
	_, said := t.cfg.Apply[policy.Memory]
	return !said && t.kind() == process.JVM
}

// floors are the least sizes that the process can live with: a fixed heap is as large under any limit,
// and a kernel kills what does not fit.
func (t *target) floors() map[policy.Resource]policy.Floor {
	if t.kind() != process.JVM || t.runtime == nil || t.runtime.Heap == nil {
		return nil
	}
	heap := *t.runtime.Heap
	least := heap + int64(float64(heap)*heapRoom)
	bytes := func(n int64) string { return policy.Memory.Format(policy.Amount(n)) }
	return map[policy.Resource]policy.Floor{policy.Memory: {Limit: heapLimit, Amount: least, Text: fmt.Sprintf(
		"%s fixes the heap at %s, and with a quarter for what is not heap it needs %s", t.runtime.HeapFrom, bytes(heap), bytes(least))}}
}

// hints are what a person should know of a plan because of what runs in the target.
func (t *target) hints(d policy.Decision, p actuators.Plan) []string {
	var hints []string
	r := d.Change.Resource
	f := actuators.Unfollowed(r, t.cfg.Runtime, t.runtime)
	switch {
	case r == policy.Memory && t.restartsForHeap():
		hints = append(hints, "a JVM's heap does not follow its limit, so memory changes by a restart; apply: {memory: live} changes the limit alone")
		if !f.Restart && f.Why != "" && d.Direction == policy.Growth {
			hints = append(hints, f.Why+", after a restart, too: more memory helps only what is not heap; change that option, or use -XX:MaxRAMPercentage")
		}
	case f.Why != "" && p.Strategy == policy.Live, f.Why != "" && !f.Restart:
		hints = append(hints, "the process will not follow by itself: "+f.Remedy(string(r)))
	}
	return hints
}

// inside says what runs in the target, for people; "" is not known and not said.
func (t *target) inside() string {
	said := t.cfg.Runtime
	switch found := t.runtime; {
	case said != "" && said != "auto" && (found == nil || string(found.Kind) != said):
		return said + " (as configured)"
	case found == nil:
		return ""
	default:
		return found.Describe()
	}
}
