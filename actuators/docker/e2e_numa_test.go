package docker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	engine "github.com/engramd/engramd/testenv/docker"
)

// TestE2ELiveNUMA moves a container that holds memory to node 1 of a host with two nodes, as policy
// places it: its processors, its memory nodes and its pages. A rollback gives it all of the host again.
func TestE2ELiveNUMA(t *testing.T) {
	testenv.Need(t, "host")
	top, err := cgroup.Topology("/")
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Nodes) != 2 || len(top.Nodes[1].CPUs) < 2 {
		t.Fatalf("want a host with two nodes of two processors, got %+v", top)
	}
	all, mine := top.CPUs().String(), top.Nodes[1].CPUs.String()
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", CPUs: 1})
	c.Do(t, "/memory?bytes=48Mi")
	target := b.target("engram")
	target.Mode = policy.Auto
	before := b.observe(t, target)
	if before.Allowed.String() != all || !before.Effective[policy.CPUs].IsUnlimited() {
		t.Fatalf("a container without a set may use %s, and has %v", before.Allowed, before.Effective)
	}

	to := placedBeside(t, target, before, top, top.Nodes[0].CPUs)
	if to != policy.Set(mine) {
		t.Fatalf("placed on %s, beside another on node 0; want %s", policy.CPUs.Format(to), mine)
	}
	p := b.plan(t, target, policy.Size{policy.CPUs: to})
	t.Logf("%s: %s", p.Command, strings.Join(p.Notes, "; "))
	b.do(t, target, p)
	after := b.observe(t, target)
	if after.Effective[policy.CPUs] != to || allowed(t, after) != mine || after.ID != before.ID || !after.StartedAt.Equal(before.StartedAt) {
		t.Errorf("after %s: observed %v, its process on %s", p.Command, after.Effective, allowed(t, after))
	}
	for file, want := range map[string]string{"cpuset.cpus": mine, "cpuset.mems": "1"} {
		if got := cgroupFile(t, after, file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	testenv.Eventually(t, time.Minute, "its pages are on node 1", func() bool {
		nodes := memoryOn(t, after)
		return nodes[1] > 48<<20 && nodes[0] < nodes[1]/20 // the guide's 95%
	})
	t.Logf("memory by node after the move: %v", memoryOn(t, after))

	b.undo(t, target, p)
	undone := b.observe(t, target)
	if got := allowed(t, undone); got != all || !undone.Effective[policy.CPUs].IsUnlimited() {
		t.Errorf("rolled back: its process on %s, observed %v", got, undone.Effective)
	}
	if got := cgroupFile(t, undone, "cpuset.mems"); got != "0-1" {
		t.Errorf("rolled back: memory nodes %q", got)
	}
	if undone.ID != before.ID || !undone.StartedAt.Equal(before.StartedAt) {
		t.Error("the container was restarted")
	}
}

// placedBeside is where policy places the target while another one keeps to taken.
func placedBeside(t *testing.T, target policy.Target, p actuators.Part, top policy.Topology, taken policy.IDs) policy.Quantity {
	t.Helper()
	change, err := policy.ParseChange(policy.CPUs, "", "numa-aligned", "")
	if err != nil {
		t.Fatal(err)
	}
	ds := policy.Decide(policy.Situation{
		Now: time.Now(), Target: target, Sizes: p.Configured, Owners: map[policy.Resource]string{policy.CPUs: "docker"},
		Host:       policy.Host{Topology: top, Allowed: p.Allowed, Pinned: []policy.Pinned{{Target: "other", CPUs: taken}}},
		Proposals:  []policy.Proposal{{Policy: "numa", Row: 1, Verdict: policy.Scale, Change: change}},
		WorkingSet: new(int64(64 << 20)),
	})
	if len(ds) != 1 || ds[0].Refused != "" {
		t.Fatalf("decided %+v", ds)
	}
	t.Log(ds[0].Touches[0].Text)
	return ds[0].To
}

func cgroupFile(t *testing.T, p actuators.Part, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", p.Cgroup, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func memoryOn(t *testing.T, p actuators.Part) map[int]int64 {
	t.Helper()
	g, err := cgroup.Find("/", p.PID)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := g.NodeMemory()
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}
