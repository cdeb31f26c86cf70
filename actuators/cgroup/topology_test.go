package cgroup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

func TestTopology(t *testing.T) {
	two := policy.Topology{
		Nodes: []policy.NUMANode{
			{ID: 0, CPUs: cgroup.Set{0, 1, 4, 5}, MemoryBytes: 16 << 30, Distances: []int{10, 20}},
			{ID: 1, CPUs: cgroup.Set{2, 3, 6}, MemoryBytes: 16 << 30, Distances: []int{20, 10}},
		},
		Cores: []policy.IDs{{0, 4}, {1, 5}, {2, 6}}, // 7, the sibling of 3, is switched off
	}
	tests := []struct {
		tree string
		want policy.Topology
	}{
		{"numa", two},
		{"numa-far", policy.Topology{Nodes: []policy.NUMANode{
			{ID: 0, CPUs: cgroup.Set{0, 1}, Distances: []int{10, 20, 12}},
			{ID: 2, CPUs: cgroup.Set{2, 3}, MemoryBytes: 8 << 30, Distances: []int{20, 10, 14}},
			{ID: 3, CPUs: cgroup.Set{}, MemoryBytes: 4 << 30, Distances: []int{12, 14, 10}},
		}}},
		{"numa-none", policy.Topology{Nodes: []policy.NUMANode{{CPUs: cgroup.Set{0, 1}, MemoryBytes: 1 << 30}}}},
	}
	for _, test := range tests {
		t.Run(test.tree, func(t *testing.T) {
			got, err := cgroup.Topology(tree(t, test.tree))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("topology (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMemoryNodesFollowFromProcessors(t *testing.T) {
	two, err := cgroup.Topology(tree(t, "numa"))
	if err != nil {
		t.Fatal(err)
	}
	far, err := cgroup.Topology(tree(t, "numa-far"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		on   policy.Topology
		cpus cgroup.Set
		want string
	}{
		{"one node", two, cgroup.Set{2, 3}, "1"},
		{"both nodes", two, cgroup.Set{1, 2}, "0-1"},
		{"everything", two, cgroup.Set{0, 1, 2, 3, 4, 5, 6}, "0-1"},
		{"a node without memory has the nearest", far, cgroup.Set{0}, "3"},
		{"everything has also memory without processors", far, cgroup.Set{0, 1, 2, 3}, "2-3"},
	}
	for _, test := range tests {
		if got := test.on.MemsOf(test.cpus).String(); got != test.want {
			t.Errorf("%s: memory nodes %q, want %q", test.name, got, test.want)
		}
	}
}

func TestTopologyThatMakesNoSenseIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"sys/devices/system/node/node1/cpulist":                     "zwei\n",
		"sys/devices/system/node/node1/meminfo":                     "Node 1 MemTotal: much kB\n",
		"sys/devices/system/node/node1/distance":                    "10 far\n",
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0;4\n",
	} {
		root := tree(t, "numa")
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := cgroup.Topology(root); err == nil {
			t.Errorf("%s: %q was taken: %+v", name, text, got)
		}
	}
}

func TestTopologyOfThisHost(t *testing.T) {
	got, err := cgroup.Topology("/")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cgroup.HostCapacity("/")
	if err != nil {
		t.Fatal(err)
	}
	if got.CPUs().String() != c.Online.String() || len(got.MemsOf(c.Online)) == 0 {
		t.Errorf("the host has processors %s, its nodes are %+v", c.Online, got.Nodes)
	}
}
