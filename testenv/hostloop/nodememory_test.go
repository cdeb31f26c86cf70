package hostloop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
)

// TestE2ENodeMemory starts memory nodes under each memory policy on a host with two NUMA nodes of two processors, fills them a little,
// and asks the kernel where their pages are.
func TestE2ENodeMemory(t *testing.T) {
	testenv.Need(t, "host")
	for _, test := range []struct {
		name     string
		yaml     string
		cores    string // what the process is confined to
		embedded bool
		policy   string // of the process's memory
		on       [2]bool
	}{
		{name: "one node by name", yaml: "numa: {aware: true, bind: [1]}", policy: "bind:1", on: [2]bool{false, true}},
		{name: "inside the agent", yaml: "numa: {aware: true, bind: [1]}", embedded: true, policy: "bind:1", on: [2]bool{false, true}},
		{name: "the cores' own node", yaml: "numa: {aware: true}", cores: "2-3", policy: "bind:1", on: [2]bool{false, true}},
		{name: "all cores", yaml: "numa: {aware: true}", policy: "interleave:0-1", on: [2]bool{true, true}},
		{name: "not asked for", yaml: "numa: {aware: false}", policy: "default", on: [2]bool{true, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			pid := 0
			if test.embedded {
				a, n := withNode(t, test.yaml)
				a.Start(t)
				remember(t, n)
				pid = a.PID()
			} else {
				n := confined(t, test.cores, test.yaml)
				remember(t, n)
				pid = n.PID()
			}
			got := memoryOf(t, pid)
			t.Logf("pages of memory that is no file's, by policy: %v, on nodes 0 and 1: %v", got.byPolicy, got.on)
			all := got.on[0] + got.on[1]
			if share := float64(got.byPolicy[test.policy]) / float64(all); share < 0.95 {
				t.Errorf("%.1f%% of the memory is under the policy %s", 100*share, test.policy)
			}
			for id, pages := range got.on {
				share := float64(pages) / float64(all)
				switch {
				case !test.on[id] && share > 0.05: // the guide: local_node > 95%
					t.Errorf("%.1f%% of the memory is on node %d", 100*share, id)
				case strings.HasPrefix(test.policy, "interleave") && share < 0.4:
					t.Errorf("%.1f%% of the memory is on node %d: it is to be taken from both in turn", 100*share, id)
				}
			}
		})
	}
}

// withNode prepares an engramd with a node inside that has these options.
func withNode(t *testing.T, yaml string) (*loop.Agent, *node.Node) {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	a := loop.New(t, "", nil)
	a.Write(t, fmt.Sprintf("version: 1\ndata_dir: %s\nlisten: {agent: %q, node: %q}\nnode:\n  enabled: true\n  %s\n", a.Dir, a.Addr, addr, yaml))
	return a, &node.Node{URL: "http://" + addr}
}

// confined starts a node with these options, on some cores only if there are any.
func confined(t *testing.T, cores, yaml string) *node.Node {
	t.Helper()
	name := filepath.Join(t.TempDir(), "engram.yaml")
	if err := os.WriteFile(name, []byte(yaml+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cores == "" {
		return node.Start(t, "--config", name)
	}
	return node.StartIn(t, node.ConfineCores(t, cores), "--config", name)
}

// remember has a node take memory of several megabytes.
func remember(t *testing.T, n *node.Node) {
	t.Helper()
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, `{"id":"m%d","content":"%s"}`+"\n", i, strings.Repeat("x", 2000))
	}
	if got := n.Import(t, strings.NewReader(lines.String())); !got.Done || got.Failed > 0 {
		t.Fatalf("imported %+v (%+v)", got, got.Problem)
	}
}

// pages are those of a process that belong to no file.
type pages struct {
	byPolicy map[string]int
	on       [2]int // by NUMA node
}

// memoryOf reads numa_maps: a mapping a line, with its policy, anon=PAGES and N<node>=PAGES.
func memoryOf(t *testing.T, pid int) pages {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/numa_maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	got := pages{byPolicy: map[string]int{}}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.Contains(line, "file=") || !strings.Contains(line, "anon=") {
			continue
		}
		for _, f := range fields[2:] {
			key, value, _ := strings.Cut(f, "=")
			if key != "N0" && key != "N1" {
				continue
			}
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatalf("numa_maps: %v in %s", err, line)
			}
			got.on[key[1]-'0'] += n
			got.byPolicy[fields[1]] += n
		}
	}
	return got
}
