package policy

import (
	"fmt"
	"math"
	"strings"
)

// A Topology is how the processors and the memory of one host lie together.
type Topology struct {
	// Nodes are the host's NUMA nodes, ascending. A host without NUMA is one node.
	Nodes []NUMANode
	// Cores are the processors that share one core (hyper-threads). A processor in none of them is a
	// core of its own.
	Cores []IDs
}

// A NUMANode is processors and the memory next to them.
type NUMANode struct {
	ID   int
	CPUs IDs // those that are switched on; empty for memory without processors
	// MemoryBytes is what the node has; 0 is none: its processors use another node's.
	MemoryBytes int64
	// Distances are the costs of reaching the nodes of the topology, in their order; 10 is local. Empty
	// is not known.
	Distances []int
}

// CPUs are all processors of the host.
func (t Topology) CPUs() IDs {
	all := IDs{}
	for _, n := range t.Nodes {
		all = all.Or(n.CPUs)
	}
	return all
}

// NodesOf are the nodes to which the processors belong.
func (t Topology) NodesOf(cpus IDs) IDs {
	nodes := IDs{}
	for _, n := range t.Nodes {
		if len(n.CPUs.And(cpus)) > 0 {
			nodes = append(nodes, n.ID)
		}
	}
	return nodes
}

// MemsOf are the memory nodes that belong to the processors: their own, and the nearest one with
// memory where a node has none. All processors have all memory, also such as lies next to none of them.
func (t Topology) MemsOf(cpus IDs) IDs {
	if len(t.CPUs().Without(cpus)) == 0 {
		return t.memories()
	}
	mems := IDs{}
	for _, n := range t.Nodes {
		if len(n.CPUs.And(cpus)) > 0 {
			mems = mems.Or(t.nearest(n))
		}
	}
	return mems
}

func (t Topology) memories() IDs {
	mems := IDs{}
	for _, n := range t.Nodes {
		if n.MemoryBytes > 0 {
			mems = append(mems, n.ID)
		}
	}
	return mems
}

// nearest are the nodes with memory that are next to n: itself, or else the closest.
func (t Topology) nearest(n NUMANode) IDs {
	if n.MemoryBytes > 0 {
		return IDs{n.ID}
	}
	near, least := IDs{}, math.MaxInt
	for i, m := range t.Nodes {
		if m.MemoryBytes == 0 {
			continue
		}
		d := math.MaxInt - 1 // unknown: as far as any other
		if i < len(n.Distances) {
			d = n.Distances[i]
		}
		if d < least {
			near, least = IDs{}, d
		}
		if d == least {
			near = append(near, m.ID)
		}
	}
	return near
}

// Node returns the node of that number.
func (t Topology) Node(id int) (NUMANode, bool) {
	for _, n := range t.Nodes {
		if n.ID == id {
			return n, true
		}
	}
	return NUMANode{}, false
}

// Describe writes a set of processors for people: "cpus 2-3 (node 1)".
func (t Topology) Describe(cpus IDs) string {
	text := "cpus " + cpus.String()
	nodes := t.NodesOf(cpus)
	switch {
	case len(t.Nodes) < 2 || len(nodes) == 0:
		return text
	case len(nodes) == 1:
		return fmt.Sprintf("%s (node %d)", text, nodes[0])
	}
	return fmt.Sprintf("%s (nodes %s)", text, strings.ReplaceAll(nodes.String(), ",", ", "))
}
