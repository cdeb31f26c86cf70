package telemetry

import (
	"slices"
	"strconv"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// numaCounts are what the kernel counts of each node.
var numaCounts = []string{"numa_hit", "numa_miss", "numa_foreign", "local_node", "other_node"}

// numa gives where the host's memory was given out: next to the processor that asked (local_node), or
// not (other_node).
func (h *host) numa() ([]sample, error) {
	nodes, err := cgroup.NodeCounts(h.root)
	var out []sample
	for _, n := range nodes {
		label := []string{"node", strconv.Itoa(n.Node)}
		for _, count := range numaCounts {
			if v, ok := n.Counts[count]; ok {
				out = append(out, sample{"engramd_host_" + prefixed(count) + "_total", float64(v), label})
			}
		}
	}
	return out, err
}

// prefixed brings all counts under one prefix: the kernel's names begin with numa_ in part.
func prefixed(count string) string {
	if count == "local_node" || count == "other_node" {
		return "numa_" + count
	}
	return count
}

// numa gives where the part's memory lies. On a host with one node all of it is local. With more, it is
// told only of a part that keeps to some of the nodes: nobody knows from where one that may run
// anywhere reaches its memory.
func (c *collector) numa(g cgroup.Group, st cgroup.Stats, ids []string) ([]sample, error) {
	t, err := c.topologyNow()
	if err != nil {
		return nil, err
	}
	if len(t.Nodes) == 1 {
		return []sample{{"engramd_target_numa_local_ratio", 1, ids}}, nil
	}
	nodes, err := g.NodeMemory()
	if err != nil || nodes == nil {
		return nil, err
	}
	all := t.MemsOf(t.CPUs())
	near := t.MemsOf(st.Cpuset.CPUs)
	var out []sample
	var total, local int64
	for _, id := range sortedIDs(nodes) {
		label := append([]string{"node", strconv.Itoa(id)}, ids...)
		out = append(out, sample{"engramd_target_numa_memory_bytes", float64(nodes[id]), label})
		total += nodes[id]
		if near.Has(id) {
			local += nodes[id]
		}
	}
	if total > 0 && len(near) > 0 && len(all.Without(near)) > 0 {
		out = append(out, sample{"engramd_target_numa_local_ratio", float64(local) / float64(total), ids})
	}
	return out, nil
}

func sortedIDs(nodes map[int]int64) []int {
	ids := make([]int, 0, len(nodes))
	for id := range nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// topologyNow reads how the host's processors lie until it succeeded once: nodes do not come and go.
func (c *collector) topologyNow() (policy.Topology, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.topology.Nodes) > 0 {
		return c.topology, nil
	}
	t, err := cgroup.Topology(c.root)
	if err == nil {
		c.topology = t
	}
	return t, err
}
