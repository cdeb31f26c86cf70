package agent

import (
	"testing"
	"time"

	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
)

// TestTargetsAreKeptApartOnTheirNodes starts two targets that are to be numa-aligned on a host with two
// nodes. One of them outgrows what it has, and its processors follow.
func TestTargetsAreKeptApartOnTheirNodes(t *testing.T) {
	onNodes := func(limit int64, cores float64) fake.Service {
		s := busy(limit, cores)
		s.Allowed = policy.IDs{0, 1, 2, 3, 4, 5, 6, 7}
		return s
	}
	inEmptyWorld(t, "numa", func(w *world) {
		w.seesCPU()
		w.prepare = func(a *Agent) {
			a.topology = policy.Topology{Nodes: []policy.NUMANode{
				{ID: 0, CPUs: policy.IDs{0, 1, 2, 3}, MemoryBytes: 8 << 30}, {ID: 1, CPUs: policy.IDs{4, 5, 6, 7}, MemoryBytes: 8 << 30},
			}}
			a.capacity.Online = policy.IDs{0, 1, 2, 3, 4, 5, 6, 7}
		}
		w.driver.Add("app", onNodes(2000, 3.2))
		w.driver.Add("db", onNodes(1500, 0.5))
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
		for name, want := range map[string]policy.Quantity{"app": policy.Set("0-3"), "db": policy.Set("4-5")} {
			if got := w.driver.Sizes(name)[policy.CPUs]; got != want {
				t.Errorf("%s is on %s, want %s", name, policy.CPUs.Format(got), policy.CPUs.Format(want))
			}
		}
	})
}
