package agent

import (
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
)

// onNodes is a busy service on a host with two nodes of four processors.
func onNodes(limit int64, cores float64) fake.Service {
	s := busy(limit, cores)
	s.Allowed = policy.IDs{0, 1, 2, 3, 4, 5, 6, 7}
	return s
}

func withNodes(a *Agent) {
	a.topology = policy.Topology{Nodes: []policy.NUMANode{
		{ID: 0, CPUs: policy.IDs{0, 1, 2, 3}, MemoryBytes: 8 << 30}, {ID: 1, CPUs: policy.IDs{4, 5, 6, 7}, MemoryBytes: 8 << 30},
	}}
	a.capacity.Online = policy.IDs{0, 1, 2, 3, 4, 5, 6, 7}
}

// TestProcessorsFollowWhatATargetNeeds keeps a target numa-aligned beside another one that keeps to node
// 0. It outgrows what it has, and its processors follow.
func TestProcessorsFollowWhatATargetNeeds(t *testing.T) {
	inEmptyWorld(t, "numa", func(w *world) {
		w.seesCPU()
		w.prepare = withNodes
		w.driver.Add("app", onNodes(2000, 3.2))
		db := onNodes(1500, 0.5)
		db.Sizes[policy.CPUs] = policy.Set("0-1")
		w.driver.Add("db", db)
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
	})
}

// TestTargetsAreKeptApart places two targets at the same time.
func TestTargetsAreKeptApart(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.prepare = withNodes
		w.edit("    fake: {service: app}\n", "    fake: {service: app}\n    cpus: numa-aligned\n  - name: db\n    fake: {service: db}\n    cpus: numa-aligned\n")
		w.edit("limits: {cpu: {min: 500m, max: 4, steps: [0.5, 1, 1.5, 2, 4, 8]}}", "mode: auto")
		w.driver.Add("app", onNodes(2000, 1))
		w.driver.Add("db", onNodes(3000, 1))
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		for name, want := range map[string]policy.Quantity{"app": policy.Set("0-1"), "db": policy.Set("4-7")} {
			if got := w.driver.Sizes(name)[policy.CPUs]; got != want {
				t.Errorf("%s is on %s, want %s", name, policy.CPUs.Format(got), policy.CPUs.Format(want))
			}
		}
		for _, one := range w.actions() {
			if one.State != actuators.Committed || one.Decision.Source != policy.FromTarget {
				t.Errorf("action %s of %s: %s (%s)", one.ID, one.TargetName, one.State, one.Reason)
			}
		}
		if n := len(w.actions()); n != 2 {
			t.Errorf("%d actions, want one a target", n)
		}
	})
}
