package docker_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
	engine "github.com/engramd/engramd/testenv/docker"
)

// TestE2ELiveCPUs moves containers between processors while they run, and back to just what was there.
func TestE2ELiveCPUs(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	all := wholeHost(t).CPUs()
	for _, test := range []struct {
		name, before string // as somebody wrote it
		to           policy.Quantity
		holds        string // in the cgroup
		undone       string
	}{
		{"unset", "", policy.Set("1"), "1", all.String()},
		{"set", "0", policy.Set("1"), "1", "0"},
		{"in other words", "1,0", policy.Set("0"), "0", "1,0"},
		{"to all", "0", policy.Unlimited(), all.String(), "0"},
		{"to none", "0", policy.Quantity{}, all.String(), "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.undone == "1,0" && len(all) > 2 {
				t.Skip("1,0 is not all of this host")
			}
			c := b.Run(t, engine.Spec{Name: "engram-" + strings.ReplaceAll(test.name, " ", "-"), Image: "workload:good", Change: func(o *client.ContainerCreateOptions) {
				o.HostConfig.CpusetCpus = test.before
			}})
			target := b.target(c.Name)
			before := b.observe(t, target)
			p := b.plan(t, target, policy.Size{policy.CPUs: test.to})
			b.do(t, target, p)
			after := b.observe(t, target)
			if got := allowed(t, after); got != test.holds || !actuators.Same(policy.CPUs, after.Effective[policy.CPUs], test.to) || !actuators.Same(policy.CPUs, after.Configured[policy.CPUs], test.to) {
				t.Errorf("after %s: %s in the cgroup, observed %v and %v", p.Command, got, after.Configured, after.Effective)
			}
			if after.ID != before.ID || !after.StartedAt.Equal(before.StartedAt) {
				t.Error("the container was restarted")
			}
			for range 2 {
				b.undo(t, target, p)
			}
			undone := b.observe(t, target)
			if got := c.Inspect(t).HostConfig.CpusetCpus; got != test.undone || !actuators.Same(policy.CPUs, undone.Effective[policy.CPUs], before.Effective[policy.CPUs]) {
				t.Errorf("undone: %q, observed %v; want %q, %v", got, undone.Effective, test.undone, before.Effective)
			}
			if _, err := b.Client().ContainerRestart(t.Context(), c.ID, client.ContainerRestartOptions{}); err != nil {
				t.Fatal(err)
			}
			if again := b.observe(t, target); !actuators.Same(policy.CPUs, again.Effective[policy.CPUs], before.Effective[policy.CPUs]) {
				t.Errorf("after a restart %v holds, want %v", again.Effective[policy.CPUs], before.Effective[policy.CPUs])
			}
		})
	}
}

// TestE2ENeverPinnedIsLeftAlone undoes a change of processors that never ran.
func TestE2ENeverPinnedIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	wholeHost(t)
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:good"})
	p := b.plan(t, b.target("engram"), policy.Size{policy.CPUs: policy.Set("1")})
	if !strings.Contains(p.Command, "--cpuset-cpus 1") || len(p.Notes) == 0 {
		t.Errorf("plan %+v", p)
	}
	b.undo(t, b.target("engram"), p)
	if got := c.Inspect(t).HostConfig.CpusetCpus; got != "" {
		t.Errorf("it has a cpuset %q, and had none", got)
	}
}

// TestE2ERecreateKeepsCPUs has a container keep its processors when something else needs a restart.
func TestE2ERecreateKeepsCPUs(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	wholeHost(t)
	b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", CPUs: 0.5, Change: func(o *client.ContainerCreateOptions) {
		o.HostConfig.CpusetCpus = "1"
	}})
	target := b.target("engram", byRestart(policy.CPU))
	p := b.plan(t, target, size(policy.CPU, 700))
	b.do(t, target, p)
	if now := b.observe(t, target); allowed(t, now) != "1" || now.Configured[policy.CPUs] != policy.Set("1") {
		t.Errorf("recreated on %s, %v", allowed(t, now), now.Configured)
	}
}

// allowed reads where the part's process may run.
func allowed(t *testing.T, p actuators.Part) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Cpus_allowed_list:") })
	set, err := cgroup.ParseSet(strings.TrimPrefix(lines[i], "Cpus_allowed_list:"))
	if err != nil {
		t.Fatal(err)
	}
	return set.String()
}
