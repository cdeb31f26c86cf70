package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/engramd/engramd/policy"
)

// Topology reads how the host's processors and memory lie together: its NUMA nodes, and which
// processors share a core. Root is where proc and sys are, "/" but for tests. A host that shows no
// nodes (a kernel without NUMA, a container's view) is one node with everything.
func Topology(root string) (policy.Topology, error) {
	online, err := readSet(filepath.Join(root, "sys/devices/system/cpu/online"))
	if err != nil {
		return policy.Topology{}, err
	}
	t := policy.Topology{Nodes: []policy.NUMANode{}}
	ids, err := nodeIDs(root)
	if err != nil {
		return policy.Topology{}, err
	}
	for _, id := range ids {
		n, err := readNode(root, id)
		if err != nil {
			return policy.Topology{}, err
		}
		n.CPUs = n.CPUs.And(online)
		t.Nodes = append(t.Nodes, n)
	}
	if len(t.CPUs()) == 0 { // no nodes, or none that shows its processors
		c, err := HostCapacity(root)
		if err != nil {
			return policy.Topology{}, err
		}
		t.Nodes = []policy.NUMANode{{CPUs: online, MemoryBytes: c.MemoryBytes}}
	}
	t.Cores, err = readCores(root, online)
	return t, err
}

func nodesDir(root string) string { return filepath.Join(root, "sys/devices/system/node") }

// nodeIDs lists the nodes that the kernel shows, ascending.
func nodeIDs(root string) (Set, error) {
	entries, err := os.ReadDir(nodesDir(root))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read NUMA nodes: %w", err)
	}
	ids := Set{}
	for _, e := range entries {
		number, isNode := strings.CutPrefix(e.Name(), "node")
		if id, err := strconv.Atoi(number); isNode && err == nil && id >= 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func readNode(root string, id int) (policy.NUMANode, error) {
	dir := filepath.Join(nodesDir(root), "node"+strconv.Itoa(id))
	n := policy.NUMANode{ID: id}
	var err error
	if n.CPUs, err = readSet(filepath.Join(dir, "cpulist")); err != nil {
		return n, err
	}
	if n.MemoryBytes, err = nodeMemory(filepath.Join(dir, "meminfo")); err != nil {
		return n, err
	}
	n.Distances, err = nodeDistances(filepath.Join(dir, "distance"))
	return n, err
}

// nodeMemory reads the line "Node 0 MemTotal:  16384 kB".
func nodeMemory(name string) (int64, error) {
	text, err := readFile(name)
	if err != nil {
		return 0, fmt.Errorf("read NUMA node: %w", err)
	}
	for at, line := range lines(name, text) {
		words := strings.Fields(line)
		if len(words) < 4 || words[2] != "MemTotal:" {
			continue
		}
		kib, err := at.number(words[3])
		if err != nil || kib > 1<<50 {
			return 0, fmt.Errorf("read NUMA node: %s: MemTotal %.40q is not a size in kB", name, words[3])
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read NUMA node: %s has no MemTotal", name)
}

// nodeDistances reads the costs of reaching every node, in the nodes' order. Old kernels tell none.
func nodeDistances(name string) ([]int, error) {
	text, err := readFile(name)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read NUMA node: %w", err)
	}
	var all []int
	for at, line := range lines(name, text) {
		for word := range strings.FieldsSeq(line) {
			d, err := at.number(word)
			if err != nil {
				return nil, fmt.Errorf("read NUMA node: %w", err)
			}
			all = append(all, int(min(d, 1<<30)))
		}
	}
	return all, nil
}

// readCores groups the processors that share a core. What a kernel does not tell is a core of its own.
func readCores(root string, online Set) ([]policy.IDs, error) {
	var cores []policy.IDs
	seen := Set{}
	for _, cpu := range online {
		if seen.Has(cpu) {
			continue
		}
		dir := filepath.Join(root, "sys/devices/system/cpu", "cpu"+strconv.Itoa(cpu), "topology")
		siblings, err := readSet(filepath.Join(dir, "thread_siblings_list"))
		if err != nil && !absent(err) {
			return nil, err
		}
		core := siblings.Or(Set{cpu}).And(online).Without(seen)
		seen = seen.Or(core)
		if len(core) > 1 {
			cores = append(cores, core)
		}
	}
	slices.SortFunc(cores, func(a, b policy.IDs) int { return cmp.Compare(a[0], b[0]) })
	return cores, nil
}
