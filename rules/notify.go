package rules

import (
	"context"
	"slices"
	"sync"
	"time"

	promrules "github.com/prometheus/prometheus/rules"
)

// told remembers, by group and episode, which firing alerts Notify has been told of.
type told struct {
	mu      sync.Mutex
	byGroup map[string]map[string]Alert
}

// evaluate is one evaluation of a group, with what follows for Notify. It runs in the group's own
// goroutine and under none of the evaluator's or the library's locks.
func (e *Evaluator) evaluate(ctx context.Context, g *promrules.Group, at time.Time) {
	promrules.DefaultEvalIterationFunc(ctx, g, at)
	if e.o.Notify == nil {
		return
	}
	now := map[string]Alert{}
	for _, rule := range g.AlertingRules() {
		for _, a := range alertsOf(g, rule) {
			if a.State == Firing {
				now[a.Episode] = a
			}
		}
	}
	if changes := e.told.swap(promrules.GroupKey(g.File(), g.Name()), now); len(changes) > 0 {
		e.o.Notify(ctx, changes)
	}
}

// swap notes what fires in a group now and returns what is new and what is over.
func (t *told) swap(group string, now map[string]Alert) []Alert {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byGroup == nil {
		t.byGroup = map[string]map[string]Alert{}
	}
	before := t.byGroup[group]
	t.byGroup[group] = now
	var changes []Alert
	for episode, a := range now {
		if _, known := before[episode]; !known {
			changes = append(changes, a)
		}
	}
	for episode, a := range before {
		if _, still := now[episode]; !still {
			a.State = Resolved
			changes = append(changes, a)
		}
	}
	slices.SortFunc(changes, byName)
	return changes
}

// keep forgets the groups that are gone.
func (t *told) keep(groups []*promrules.Group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.byGroup {
		if !slices.ContainsFunc(groups, func(g *promrules.Group) bool { return promrules.GroupKey(g.File(), g.Name()) == key }) {
			delete(t.byGroup, key)
		}
	}
}
