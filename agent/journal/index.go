package journal

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// An index holds in memory what lists ask for, in the order of time; the history is bounded, so it
// is small. It is built at Open and follows every write that succeeded.
type index struct {
	mu        sync.RWMutex
	actions   []actionEntry
	decisions []decisionEntry
	// latest is the newest decision of each policy on each resource.
	latest map[subject]string
	// The ids that are there: only an update has to look for its entry.
	knownActions, knownDecisions map[string]bool
}

func newIndex() index {
	return index{latest: map[subject]string{}, knownActions: map[string]bool{}, knownDecisions: map[string]bool{}}
}

type actionEntry struct {
	id       string
	at       time.Time // when it was proposed
	last     time.Time // its last transition
	until    time.Time // the memory of a change without effect ends
	target   string
	resource policy.Resource
	state    actuators.ActionState
	decision string
}

type decisionEntry struct {
	id      string
	at      time.Time
	last    time.Time
	subject subject
}

// A subject is what one policy says about one resource of one target.
type subject struct {
	target, policy string
	resource       policy.Resource
}

func (x *index) action(a actuators.Action) {
	e := actionEntry{
		id: a.ID, target: a.TargetName, resource: a.Resource, state: a.State, until: a.RetryAfter,
		at: a.Decision.At, last: a.Decision.At, decision: a.Decision.ID,
	}
	if n := len(a.Times); n > 0 {
		e.at, e.last = a.Times[0].At, a.Times[n-1].At
	}
	if x.knownActions[e.id] {
		i := slices.IndexFunc(x.actions, func(o actionEntry) bool { return o.id == e.id })
		e.at = x.actions[i].at // its place in the order stays
		x.actions[i] = e
		return
	}
	x.knownActions[e.id] = true
	at, _ := slices.BinarySearchFunc(x.actions, e, compareActions)
	x.actions = slices.Insert(x.actions, at, e)
}

func (x *index) decision(d policy.Decision) {
	e := decisionEntry{
		id: d.ID, at: d.At, last: d.LastAt, subject: subjectOf(d)}
	if x.knownDecisions[e.id] {
		i := slices.IndexFunc(x.decisions, func(o decisionEntry) bool { return o.id == e.id })
		e.at = x.decisions[i].at
		x.decisions[i] = e
		return
	}
	x.knownDecisions[e.id] = true
	at, _ := slices.BinarySearchFunc(x.decisions, e, compareDecisions)
	x.decisions = slices.Insert(x.decisions, at, e)
	x.latest[e.subject] = e.id // whatever the clock says: it was written last
}

// settle finds the newest decision of each subject, once all are read.
func (x *index) settle() {
	clear(x.latest)
	for _, e := range x.decisions {
		x.latest[e.subject] = e.id
	}
}

func compareActions(a, b actionEntry) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id))
}

func compareDecisions(a, b decisionEntry) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id))
}

// drop forgets records that were pruned.
func (x *index) drop(actions, decisions map[string]bool) {
	x.actions = slices.DeleteFunc(x.actions, func(e actionEntry) bool { return actions[e.id] })
	x.decisions = slices.DeleteFunc(x.decisions, func(e decisionEntry) bool { return decisions[e.id] })
	for id := range actions {
		delete(x.knownActions, id)
	}
	for id := range decisions {
		delete(x.knownDecisions, id)
	}
	x.settle()
}
