package threads

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Topology is what the machine has, and what of it this process may use.
type Topology struct {
	Online  CPUs `json:"online"`
	Allowed CPUs `json:"allowed"`
	// Nodes are the memory nodes, ascending; empty where the kernel tells of none.
	Nodes []MemoryNode `json:"numa_nodes"`
}

// A MemoryNode is some memory and the cores that are near it.
type MemoryNode struct {
	ID         int   `json:"node"`
	CPUs       CPUs  `json:"cpus"`
	TotalBytes int64 `json:"total_bytes"`
	FreeBytes  int64 `json:"free_bytes"`
	// Distances are to all nodes, in the order of Topology.Nodes; 10 is to itself.
	Distances []int `json:"distances"`
}

// MemoryBytes is the memory of all nodes.
func (t Topology) MemoryBytes() int64 {
	var sum int64
	for _, n := range t.Nodes {
		sum += n.TotalBytes
	}
	return sum
}

// ReadTopology reads /sys; root is where sys is, "/" if empty.
func ReadTopology(root string) (Topology, error) {
	if root == "" {
		root = "/"
	}
	var t Topology
	var err error
	if t.Online, err = readCPUs(filepath.Join(root, "sys/devices/system/cpu/online")); err != nil {
		return t, err
	}
	if t.Allowed, err = Allowed(); err != nil {
		return t, err
	}
	dir := filepath.Join(root, "sys/devices/system/node")
	ids, err := readCPUs(filepath.Join(dir, "online"))
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	for _, id := range ids {
		n, err := readNode(dir, id)
		if err != nil {
			return t, err
		}
		t.Nodes = append(t.Nodes, n)
	}
	return t, nil
}

func readNode(dir string, id int) (MemoryNode, error) {
	dir = filepath.Join(dir, "node"+strconv.Itoa(id))
	n := MemoryNode{ID: id}
	var err error
	if n.CPUs, err = readCPUs(filepath.Join(dir, "cpulist")); err != nil {
		return n, err
	}
	if n.Distances, err = readNumbers(filepath.Join(dir, "distance")); err != nil {
		return n, err
	}
	name := filepath.Join(dir, "meminfo")
	text, err := os.ReadFile(name)
	if err != nil {
		return n, err
	}
	total, ok1 := kilobytes(string(text), "MemTotal:")
	free, ok2 := kilobytes(string(text), "MemFree:")
	if !ok1 || !ok2 {
		return n, fmt.Errorf("%s: has no MemTotal or no MemFree in kB", name)
	}
	n.TotalBytes, n.FreeBytes = total, free
	return n, nil
}

// kilobytes finds "Node 0 MemTotal: 12 kB" in a node's meminfo, in bytes.
func kilobytes(text, key string) (int64, bool) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 5 || f[2] != key || f[4] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(f[3], 10, 53)
		return n << 10, err == nil && n >= 0
	}
	return 0, false
}

func readCPUs(name string) (CPUs, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	set, err := ParseCPUs(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return set, nil
}

func readNumbers(name string) ([]int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out []int
	for field := range strings.FieldsSeq(string(text)) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("%s: %.40q is not a number", name, field)
		}
		out = append(out, n)
	}
	return out, nil
}
