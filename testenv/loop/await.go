package loop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// Await waits until an action matches, and returns it. If none does in time, the test fails with the actions that there are.
func (a *Agent) Await(t testing.TB, within time.Duration, what string, match func(Action) bool) Action {
	t.Helper()
	var found Action
	a.eventually(t, within, what, func() bool {
		all := a.Actions(t)
		i := slices.IndexFunc(all, match)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// AwaitDecision waits until a decision matches, and returns it.
func (a *Agent) AwaitDecision(t testing.TB, within time.Duration, what string, match func(Decision) bool) Decision {
	t.Helper()
	var found Decision
	a.eventually(t, within, what, func() bool {
		var all []Decision
		a.Get(t, "/engramd/v1/decisions?limit=1000", &all)
		i := slices.IndexFunc(all, match)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// AwaitEvent waits until an event of events.jsonl matches, and returns the first that does.
func (a *Agent) AwaitEvent(t testing.TB, within time.Duration, what string, match func(Event) bool) Event {
	t.Helper()
	var found Event
	a.eventually(t, within, what, func() bool {
		all := a.Events(t)
		i := slices.IndexFunc(all, match)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// eventually is testenv's, and logs how things stand if the condition does not come to hold.
func (a *Agent) eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	held := false
	defer func() {
		if !held && a.Running() && a.Ready() {
			t.Logf("the actions of %s:\n%s", a.name, Story(a.Actions(t)))
			t.Logf("its status:\n%s", a.Command(t, "status").Stdout)
		}
	}()
	testenv.Eventually(t, within, what, holds)
	held = true
}

// Changes matches actions on a resource from one size to another that are in one of the states; without states, in any.
func Changes(resource string, from, to Quantity, states ...string) func(Action) bool {
	return func(x Action) bool {
		return x.Resource == resource && x.From == from && x.To == to && (len(states) == 0 || slices.Contains(states, x.State))
	}
}

// Story tells in a line each what became of some actions, oldest first.
func Story(actions []Action) string {
	var b strings.Builder
	for _, x := range slices.Backward(actions) {
		fmt.Fprintf(&b, "%s %s %s: %s -> %s %s: %s\n", x.ID, x.Target, x.Resource, x.From, x.To, x.State, x.Reason)
	}
	return b.String()
}
