package cgroup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators/cgroup"
)

func TestNodeMemory(t *testing.T) {
	page := int64(os.Getpagesize())
	for _, test := range []struct {
		tree, file, text string
		want             map[int]int64
		bad              bool
	}{
		{"v2", "sys/fs/cgroup/system.slice/docker-ab12.scope/memory.numa_stat", "anon N0=8192 N1=4096\nfile N0=1 N1=0\nshmem N0=5 N1=5\n", map[int]int64{0: 8193, 1: 4096}, false},
		{"v1", "sys/fs/cgroup/memory/docker/ab12/memory.numa_stat",
			"total=9 N0=9\nfile=1 N0=1\nhierarchical_total=3 N0=1 N1=2\nhierarchical_file=2 N0=1 N1=1\nhierarchical_anon=1 N0=0 N1=1\n", map[int]int64{0: page, 1: 2 * page}, false},
		{"v2", "sys/fs/cgroup/other", "", nil, false},
		{"v2", "sys/fs/cgroup/system.slice/docker-ab12.scope/memory.numa_stat", "anon N0=much\n", nil, true},
		{"v2", "sys/fs/cgroup/system.slice/docker-ab12.scope/memory.numa_stat", "anon 0=1\n", nil, true},
		{"v2", "sys/fs/cgroup/system.slice/docker-ab12.scope/memory.numa_stat", "kernel_stack N0=1\n", nil, false},
	} {
		root := tree(t, test.tree)
		if err := os.WriteFile(filepath.Join(root, test.file), []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := find(t, root, 42).NodeMemory()
		if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != test.bad {
			t.Errorf("%s %q: error %v, memory (-want +got):\n%s", test.tree, test.text, err, diff)
		}
	}
}

func TestNodeCounts(t *testing.T) {
	got, err := cgroup.NodeCounts(tree(t, "numa"))
	want := []cgroup.NodeCount{
		{Node: 0, Counts: map[string]int64{"numa_hit": 1200, "numa_miss": 7, "numa_foreign": 5, "interleave_hit": 3, "local_node": 1190, "other_node": 17}},
		{Node: 1, Counts: map[string]int64{"numa_hit": 800, "numa_miss": 5, "numa_foreign": 7, "interleave_hit": 3, "local_node": 795, "other_node": 10}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, counts (-want +got):\n%s", err, diff)
	}
	if got, err := cgroup.NodeCounts(tree(t, "numa-none")); len(got) != 0 || err != nil {
		t.Errorf("a host without nodes: %v, %v", got, err)
	}
}
