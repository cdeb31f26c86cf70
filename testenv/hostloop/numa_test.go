package hostloop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/hostloop"
	"github.com/engramd/engramd/testenv/loop"
)

// aligned keeps a unit on one NUMA node, beside another one that keeps to node 0; the guide's 95% local
// must hold.
const aligned = quick + `
mode: auto
metrics: {interval: 2s}
targets:
  - name: other
    systemd: {unit: numa-other}
  - name: app
    systemd: {unit: numa-app}
    cpus: numa-aligned
    require:
      - {expr: '100 * engramd_target_numa_local_ratio{target="$target"}', must: ">= 95"}
policies: []
`

// TestE2ENUMA has a unit with memory on the host's first node moved to the second one, with its pages,
// and given back all of the host.
func TestE2ENUMA(t *testing.T) {
	hostloop.Start(t, hostloop.Spec{Name: "numa-other", Lines: []string{"CPUQuota=10%", "AllowedCPUs=0-1", "AllowedMemoryNodes=0"}})
	u := hostloop.Start(t, hostloop.Spec{Name: "numa-app", Lines: []string{"CPUQuota=100%"}})
	u.Do(t, "/memory?bytes=48Mi")
	pid, before, files := u.PID(t), allowed(t, u), u.Files(t)
	a := loop.Start(t, aligned, nil)
	if x := finals(t, a, "app")["app"]; x.State != "committed" || x.Strategy != "live" || x.Resource != "cpus" {
		t.Errorf("%s of %s %s: %s", x.Strategy, x.Resource, x.State, x.Reason)
	}
	if got := allowed(t, u); got != "2-3 1" || u.PID(t) != pid {
		t.Errorf("committed: processors and memory nodes %s, main process %s, it was %s", got, u.PID(t), pid)
	}
	if got := u.Limit(t, "cpuset.cpus") + " " + u.Limit(t, "cpuset.mems"); got != "2-3 1" {
		t.Errorf("committed: cpuset.cpus and cpuset.mems are %s", got)
	}
	t.Logf("memory.numa_stat:\n%s", u.Limit(t, "memory.numa_stat"))
	t.Logf("engramd release --all:\n%s", a.Do(t, "release", "--all"))
	testenv.Eventually(t, 2*soon, "it has all of the host again", func() bool { return allowed(t, u) == before })
	testenv.Eventually(t, 2*soon, "nothing of ours is left", func() bool {
		for name := range u.Files(t) {
			if _, was := files[name]; !was {
				return false
			}
		}
		return true
	})
}

// allowed is where the unit's process may run and have memory.
func allowed(t *testing.T, u *hostloop.Unit) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", u.PID(t), "status"))
	if err != nil {
		t.Fatal(err)
	}
	var sets []string
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); key == "Cpus_allowed_list" || key == "Mems_allowed_list" {
			sets = append(sets, strings.TrimSpace(value))
		}
	}
	return strings.Join(sets, " ")
}
