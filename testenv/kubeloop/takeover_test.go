package kubeloop_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2ETwoAgents has two agents with one configuration: one acts, and the other does not. The one that acts is killed in
// the middle of its action, for good. The other takes over from the Lease, and brings the action to its end.
func TestE2ETwoAgents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		hold func(*loop.Gate) *loop.Hold
		ends string
		size float64
	}{
		{"not told", before(1, "PATCH /resize"), takenBack, small},
		{"not answered", after(1, "PATCH /resize"), stays, big},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 1})
			gate := b.gate(t)
			held := test.hold(gate)
			first := b.start(t, target{Name: "api", Kubeconfig: b.kubeconfig(t, gate)})
			held.Await(t, soon)
			action := first.Await(t, soon, "it is applied", of("api", "applying"))

			values := b.values(t, target{Name: "api"})
			values["mode"] = "approve" // what was begun goes on, and nothing new begins
			second := loop.Start(t, doubled, values)
			testenv.Eventually(t, soon, "the second says that the first has the target", func() bool {
				one := second.Target(t, "api")
				return one.State != "ok" && one.Detail != ""
			})
			t.Logf("the second says: %s: %s", second.Target(t, "api").State, second.Target(t, "api").Detail)
			if actions := second.Actions(t); len(actions) > 0 {
				t.Errorf("the second acts beside the first:\n%s", loop.Story(actions))
			}
			first.Kill(t)
			gate.Drop()
			died := time.Now()
			ended := second.Await(t, soon, "the action is over", func(x loop.Action) bool { return x.ID == action.ID && x.Final() })
			t.Logf("%v after the death of the first: %s: %s", time.Since(died).Round(time.Second), ended.State, ended.Reason)
			if !slices.Contains(strings.Fields(test.ends), ended.State) {
				t.Errorf("it ended %s: %s", ended.State, ended.Reason)
			}
			b.expectUntouched(t, "api", pods)
			b.expectLimits(t, "api", test.size)
		})
	}
}
