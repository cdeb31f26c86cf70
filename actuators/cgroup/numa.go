package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// NodeMemory is the group's anonymous memory and page cache by memory node, in bytes, with those of the
// groups below. It is nil where the kernel does not show it.
func (g Group) NodeMemory() (map[int]int64, error) {
	d, ok := g.in("memory")
	if !ok {
		return nil, nil
	}
	parse := parseNodeMemory
	if !d.v2 {
		parse = parseNodePages
	}
	r := &reader{}
	nodes, _ := value(r, d, "memory.numa_stat", parse)
	if len(r.faults) > 0 {
		return nil, fmt.Errorf("read cgroup %s: %w", g.Path, r.faults[0])
	}
	return nodes, nil
}

// parseNodeMemory reads v2's lines "anon N0=4096 N1=0", in bytes.
func parseNodeMemory(name string, text []byte) (map[int]int64, error) {
	return parseNodes(name, text, 1, "anon", "file")
}

// parseNodePages reads v1's lines "hierarchical_anon=1 N0=1 N1=0", in pages.
func parseNodePages(name string, text []byte) (map[int]int64, error) {
	return parseNodes(name, text, int64(os.Getpagesize()), "hierarchical_anon", "hierarchical_file")
}

func parseNodes(name string, text []byte, unit int64, kinds ...string) (map[int]int64, error) {
	nodes := map[int]int64{}
	for at, line := range lines(name, text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		kind, _, _ := strings.Cut(words[0], "=")
		if kind != kinds[0] && kind != kinds[1] {
			continue
		}
		for _, word := range words[1:] {
			key, count, ok := strings.Cut(word, "=")
			id, err := strconv.ParseUint(strings.TrimPrefix(key, "N"), 10, 16)
			if !ok || err != nil || !strings.HasPrefix(key, "N") {
				return nil, at.fault("want N0=amount, got %.40q", word)
			}
			n, err := at.number(count)
			if err != nil {
				return nil, err
			}
			if n > (1<<63-1)/unit {
				return nil, at.fault("%.40q is no amount of memory", word)
			}
			nodes[int(id)] = plus(nodes[int(id)], n*unit)
		}
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	return nodes, nil
}

// A NodeCount counts, in pages since boot, where memory was given out on one NUMA node.
type NodeCount struct {
	Node int
	// Counts are the kernel's: numa_hit, numa_miss, numa_foreign, local_node, other_node. Those that it
	// does not have are absent.
	Counts map[string]int64
}

// NodeCounts reads where the host's memory was given out, a node each, ascending; none on a host that
// shows no nodes. Root is where proc and sys are, "/" but for tests.
func NodeCounts(root string) ([]NodeCount, error) {
	ids, err := nodeIDs(root)
	if err != nil {
		return nil, err
	}
	var all []NodeCount
	for _, id := range ids {
		name := filepath.Join(nodesDir(root), "node"+strconv.Itoa(id), "numastat")
		text, err := readFile(name)
		if absent(err) {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("read NUMA node: %w", err)
		}
		counts, err := parseKeyed(name, text)
		if err != nil {
			return all, fmt.Errorf("read NUMA node: %w", err)
		}
		all = append(all, NodeCount{id, counts})
	}
	return all, nil
}
