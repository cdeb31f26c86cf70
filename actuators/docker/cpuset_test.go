package docker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/policy"
)

// A numaHost is a host with nodes of two processors and 1 GiB each, with one container on it whose
// control group follows the fake daemon.
type numaHost struct {
	*fakeAPI
	root   string
	target policy.Target
}

func newNUMAHost(t *testing.T, nodes int, hostConfig string) numaHost {
	t.Helper()
	h := numaHost{newFakeAPI(t), t.TempDir(), policy.Target{}}
	h.target = targetAt(h.host(), "engram")
	all, mems := fmt.Sprintf("0-%d", 2*nodes-1), fmt.Sprintf("0-%d", nodes-1)
	if nodes == 1 {
		mems = "0"
	}
	for id := range nodes {
		dir := fmt.Sprintf("sys/devices/system/node/node%d/", id)
		h.write(t, dir+"cpulist", fmt.Sprintf("%d-%d\n", 2*id, 2*id+1))
		h.write(t, dir+"meminfo", fmt.Sprintf("Node %d MemTotal: 1048576 kB\n", id))
	}
	c := h.add("engram", hostConfig)
	scope := "sys/fs/cgroup/system.slice/docker-" + c.ID + ".scope/"
	h.write(t, "sys/devices/system/cpu/online", all+"\n")
	h.write(t, "proc/self/mountinfo", "31 22 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n")
	h.write(t, "proc/42/cgroup", "0::/system.slice/docker-"+c.ID+".scope\n")
	h.write(t, "sys/fs/cgroup/system.slice/cpuset.cpus.effective", all+"\n")
	h.write(t, "sys/fs/cgroup/system.slice/cpuset.mems.effective", mems+"\n")
	follow := func(c *fakeContainer) {
		for key, file := range map[string][2]string{"CpusetCpus": {"cpuset.cpus.effective", all}, "CpusetMems": {"cpuset.mems.effective", mems}} {
			var set string
			_ = json.Unmarshal(c.HostConfig[key], &set)
			if set == "" {
				set = file[1]
			}
			h.write(t, scope+file[0], set+"\n")
		}
	}
	follow(c)
	h.v2, h.pid, h.updated = true, 42, follow
	return h
}

func (h numaHost) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h numaHost) driver(t *testing.T) *docker.Driver { return newDriver(t).On(h.root) }

func (h numaHost) plan(t *testing.T, to policy.Quantity) (actuators.State, actuators.Plan, error) {
	t.Helper()
	d := h.driver(t)
	st, err := d.Observe(t.Context(), h.target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Plan(h.target, st, policy.Size{policy.CPUs: to})
	h.reset()
	return st, p, err
}

const anywhere = `{"NanoCpus":0,"Memory":0,"NetworkMode":"front"}`

func TestProcessorsAndTheirMemory(t *testing.T) {
	pinned := func(cpus, mems string) string {
		return strings.Replace(anywhere, "{", fmt.Sprintf(`{"CpusetCpus":%q,"CpusetMems":%q,`, cpus, mems), 1)
	}
	for _, test := range []struct {
		name, config string
		nodes        int
		from, to     policy.Quantity
		command      string
		did, undid   string // the bodies
	}{
		{"to a node", anywhere, 2, policy.Quantity{}, policy.Set("2-3"), "docker update --cpuset-cpus 2-3 --cpuset-mems 1 engram",
			`{"CpusetCpus":"2-3","CpusetMems":"1"}`, `{"CpusetCpus":"0-3","CpusetMems":"0-1"}`},
		{"between nodes", pinned("0,1", "0"), 2, policy.Set("0-1"), policy.Set("2"), "docker update --cpuset-cpus 2 --cpuset-mems 1 engram",
			`{"CpusetCpus":"2","CpusetMems":"1"}`, `{"CpusetCpus":"0,1","CpusetMems":"0"}`},
		{"processors without memory nodes", pinned("0", ""), 2, policy.Set("0"), policy.Set("1-2"), "docker update --cpuset-cpus 1-2 --cpuset-mems 0-1 engram",
			`{"CpusetCpus":"1-2","CpusetMems":"0-1"}`, `{"CpusetCpus":"0","CpusetMems":"0-1"}`},
		{"back to all", pinned("3", "1"), 2, policy.Set("3"), policy.Unlimited(), "docker update --cpuset-cpus 0-3 --cpuset-mems 0-1 engram",
			`{"CpusetCpus":"0-3","CpusetMems":"0-1"}`, `{"CpusetCpus":"3","CpusetMems":"1"}`},
		{"all in other words", pinned("0-1,2-3", "0-1"), 2, policy.Unlimited(), policy.Set("0-1"), "docker update --cpuset-cpus 0-1 --cpuset-mems 0 engram",
			`{"CpusetCpus":"0-1","CpusetMems":"0"}`, `{"CpusetCpus":"0-1,2-3","CpusetMems":"0-1"}`},
		{"one node has no choice of memory", anywhere, 1, policy.Quantity{}, policy.Set("1"), "docker update --cpuset-cpus 1 engram",
			`{"CpusetCpus":"1"}`, `{"CpusetCpus":"0-1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newNUMAHost(t, test.nodes, test.config)
			st, p, err := h.plan(t, test.to)
			if err != nil {
				t.Fatal(err)
			}
			if got := st.Parts[0].Configured[policy.CPUs]; got != test.from || !actuators.Same(policy.CPUs, st.Parts[0].Effective[policy.CPUs], test.from) {
				t.Errorf("observed %v, %v in effect, want %v", got, st.Parts[0].Effective[policy.CPUs], test.from)
			}
			if got := strings.ReplaceAll(p.Command, " -H "+h.host(), ""); got != test.command || p.Strategy != policy.Live {
				t.Errorf("%s: %q, want %q", p.Strategy, got, test.command)
			}
			d := h.driver(t)
			if _, err := carry(t.Context(), d, h.target, p); err != nil {
				t.Fatal(err)
			}
			now, err := d.Observe(t.Context(), h.target)
			if err != nil || !actuators.Same(policy.CPUs, now.Parts[0].Effective[policy.CPUs], test.to) || !actuators.Same(policy.CPUs, now.Parts[0].Configured[policy.CPUs], test.to) {
				t.Errorf("after the change %v, %v in effect (%v), want %v", now.Parts[0].Configured, now.Parts[0].Effective, err, test.to)
			}
			if err := back(t.Context(), d, h.target, p.Steps); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"POST /containers/c0ffee01/update " + test.did, "POST /containers/c0ffee01/update " + test.undid}, h.changed()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoProcessorsWhereThereAreNone(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(numaHost)
		to   policy.Quantity
		say  string
	}{
		{"on another host", func(h numaHost) { h.pid = 0 }, policy.Set("1"), "run engramd on the daemon's host"},
		{"without the controller", func(h numaHost) { h.noCpuset = true }, policy.Set("1"), "no cpuset controller"},
		{"that the host has not", func(numaHost) {}, policy.Set("3-5"), "may not have processors 4-5"},
		{"that the parent does not give", func(h numaHost) {
			h.write(h.t, "sys/fs/cgroup/system.slice/cpuset.cpus.effective", "0-1\n")
		}, policy.Set("2"), "may not have processors 2: its host and its parent cgroup allow 0-1"},
		{"a number", func(numaHost) {}, policy.Amount(2), "a set, not a number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newNUMAHost(t, 2, anywhere)
			test.edit(h)
			_, p, err := h.plan(t, test.to)
			if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), test.say) {
				t.Errorf("plan %+v, error %v; want a refusal that says %q", p, err, test.say)
			}
		})
	}
}

// TestMemoryThatFitsNoNodeStays is about pages that move along: what does not fit would be killed.
func TestMemoryThatFitsNoNodeStays(t *testing.T) {
	h := newNUMAHost(t, 2, anywhere)
	h.use = func(int64) (int64, int64) { return 1000 << 20, 0 }
	_, p, err := h.plan(t, policy.Set("2-3"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = carry(t.Context(), h.driver(t), h.target, p)
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(fmt.Sprint(err), "does not fit into the 1Gi of memory nodes 1") || len(h.changed()) > 0 {
		t.Errorf("got %v, and %v was done; want a refusal and nothing done", err, h.changed())
	}
}

// TestNeverPinned undoes a change that never ran: all processors stand in for none only where some were
// chosen.
func TestNeverPinned(t *testing.T) {
	h := newNUMAHost(t, 2, anywhere)
	_, p, err := h.plan(t, policy.Set("2-3"))
	if err != nil {
		t.Fatal(err)
	}
	if err := back(t.Context(), h.driver(t), h.target, p.Steps); err != nil || len(h.changed()) > 0 {
		t.Errorf("undone without a change: %v, %v", h.changed(), err)
	}
}

// TestProcessorsAfterAFaultAtEveryCall breaks a change at each call and takes it back.
func TestProcessorsAfterAFaultAtEveryCall(t *testing.T) {
	for _, wrong := range []fault{dropped, late, status500, garbage} {
		for nth := 1; ; nth++ {
			h := newNUMAHost(t, 2, anywhere)
			_, p, err := h.plan(t, policy.Set("2-3"))
			if err != nil {
				t.Fatal(err)
			}
			h.breakAt(func(n int, _ *http.Request) fault {
				if n == nth {
					return wrong
				}
				return noFault
			})
			begun, _ := carry(t.Context(), h.driver(t), h.target, p)
			reached := h.count() >= nth
			h.breakAt(nil)
			if err := back(t.Context(), h.driver(t), h.target, begun); err != nil {
				t.Fatalf("fault %d at call %d: %v", wrong, nth, err)
			}
			st, err := h.driver(t).Observe(t.Context(), h.target)
			if err != nil || !st.Parts[0].Effective[policy.CPUs].IsUnlimited() {
				t.Fatalf("fault %d at call %d left %v, %v", wrong, nth, st.Parts, err)
			}
			if !reached {
				break
			}
		}
	}
}
