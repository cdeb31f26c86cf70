package threads_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/threads"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// machine returns a topology of nodes with two cores each.
func machine(nodes int, bytes int64, allowed ...int) threads.Topology {
	t := threads.Topology{Allowed: allowed}
	for i := range nodes {
		t.Nodes = append(t.Nodes, threads.MemoryNode{ID: i, CPUs: threads.CPUs{2 * i, 2*i + 1}, TotalBytes: bytes / int64(nodes)})
	}
	return t
}

func TestPolicy(t *testing.T) {
	yes, no := true, false
	const large, small = 64 << 30, 16 << 30
	for _, c := range []struct {
		name string
		numa threads.NUMA
		t    threads.Topology
		want string
		why  string // or the error
	}{
		{"one node", threads.NUMA{Aware: &yes}, machine(1, large, 0, 1), "default:", "one memory node"},
		{"no nodes", threads.NUMA{Aware: &yes}, machine(0, 0, 0, 1), "default:", "one memory node"},
		{"off", threads.NUMA{Aware: &no, Bind: threads.CPUs{1}}, machine(2, large, 0, 1), "default:", "aware is off"},
		{"small, by default", threads.NUMA{}, machine(2, small, 0, 1), "default:", "2 memory nodes with 17 GB"},
		{"small, on request", threads.NUMA{Aware: &yes}, machine(2, small, 0, 1), "bind:0", "all cores of this process (0-1)"},
		{"large, by default, on one node", threads.NUMA{}, machine(2, large, 2, 3), "bind:1", "all cores of this process (2-3)"},
		{"large, on all nodes", threads.NUMA{}, machine(4, large, 0, 1, 2, 3, 4, 5, 6, 7), "interleave:0-3", "workers on all these nodes"},
		{"large, on some nodes", threads.NUMA{}, machine(4, large, 0, 7), "interleave:0,3", "workers on all these nodes"},
		{"bound", threads.NUMA{Bind: threads.CPUs{1, 0, 1}}, machine(4, large, 0, 7), "bind:0-1", "the configuration"},
		{"bound to what is not there", threads.NUMA{Bind: threads.CPUs{4}}, machine(2, large, 0), "", "node 4 is not one of this machine, which has 0-1"},
		{"bound where nothing is", threads.NUMA{Bind: threads.CPUs{0}}, machine(0, 0, 0), "", "none that the kernel tells of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.numa.Policy(c.t)
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), c.why) {
					t.Fatalf("%v, %v", got, err)
				}
				return
			}
			if err != nil || got.String() != c.want || !strings.Contains(got.Reason, c.why) {
				t.Errorf("%v because %q, %v; want %s because %q", got, got.Reason, err, c.want, c.why)
			}
		})
	}
}

// TestApplyMemoryPolicy starts this binary as a program that binds itself, and looks at all its memory.
func TestApplyMemoryPolicy(t *testing.T) {
	if _, err := threads.CurrentPolicy(); errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skipf("get_mempolicy: %v", err)
	}
	run := func(mode string) (int, string) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), bindMode+"="+mode)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return cmd.Process.Pid, string(out)
	}
	for mode, want := range map[string]string{
		"bind":      `again true policy bind:0 reason "the test" error <nil> marked false`,
		"default":   `again false policy default: reason "the test" error <nil> marked false`,
		"inherited": `again false policy inherited:0 reason "it was set before this program started, to bind:0" error <nil> marked false`,
		"missing":   "set the memory policy bind:63: invalid argument: allow set_mempolicy",
	} {
		pid, out := run(mode)
		if first, _, _ := strings.Cut(out, "\n"); !strings.Contains(first, want) || !strings.HasPrefix(first, fmt.Sprintf("pid %d ", pid)) {
			t.Errorf("%s, started as %d: %s, want %s", mode, pid, first, want)
		}
		if mode == "bind" && (!strings.Contains(out, " bind:0 anon=") || strings.Contains(out, " default ")) {
			t.Errorf("not all memory is bound:\n%s", out)
		}
	}
}

func TestTopology(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"cpu/online":         "0-3\n",
		"node/online":        "0,2\n",
		"node/node0/cpulist": "0-1\n", "node/node0/distance": "10 21\n",
		"node/node0/meminfo": "Node 0 MemTotal:  1024 kB\nNode 0 MemFree:  512 kB\nNode 0 HugePages_Total: 0\n",
		"node/node2/cpulist": "\n", "node/node2/distance": "21 10\n",
		"node/node2/meminfo": "Node 2 MemTotal:  2048 kB\nNode 2 MemFree:  8 kB\n",
	} {
		name = root + "/sys/devices/system/" + name
		if err := os.MkdirAll(name[:strings.LastIndex(name, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := threads.ReadTopology(root)
	if err != nil {
		t.Fatal(err)
	}
	got.Allowed = nil
	want := threads.Topology{Online: threads.CPUs{0, 1, 2, 3}, Nodes: []threads.MemoryNode{
		{ID: 0, CPUs: threads.CPUs{0, 1}, TotalBytes: 1 << 20, FreeBytes: 512 << 10, Distances: []int{10, 21}},
		{ID: 2, CPUs: threads.CPUs{}, TotalBytes: 2 << 20, FreeBytes: 8 << 10, Distances: []int{21, 10}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := os.WriteFile(root+"/sys/devices/system/node/node2/meminfo", []byte("Node 2 MemTotal: many kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := threads.ReadTopology(root); err == nil || !strings.Contains(err.Error(), "node2/meminfo: has no MemTotal") {
		t.Error(err)
	}
	if got, err := threads.ReadTopology(""); err != nil || len(got.Online) == 0 || len(got.Allowed) == 0 {
		t.Errorf("this machine: %+v, %v", got, err)
	}
}
