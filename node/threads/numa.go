package threads

import (
	"fmt"
	"slices"
)

// awareAbove is the memory from where crossing between memory nodes is worth avoiding: the guide's 32 GB.
const awareAbove = 32e9

// NUMA says how memory is spread over the machine's memory nodes.
type NUMA struct {
	// Aware says whether to care; nil: above 32 GB on two nodes or more.
	Aware *bool
	// Bind lists the nodes whose memory is used; empty: those of the cores that the process may use.
	Bind CPUs
}

// How memory is taken from nodes.
const (
	PolicyDefault    = "default"    // from the node of the core that first touches it
	PolicyBind       = "bind"       // from Nodes only
	PolicyInterleave = "interleave" // from Nodes in turn, since all workers use all of it
	PolicyInherited  = "inherited"  // as whoever started us chose (numactl)
)

// A MemoryPolicy is where memory comes from, and why.
type MemoryPolicy struct {
	Policy string `json:"policy"`
	Nodes  CPUs   `json:"nodes,omitempty"`
	Reason string `json:"reason"`
}

// String is the form in which a policy is handed to the program that is started again.
func (p MemoryPolicy) String() string { return p.Policy + ":" + p.Nodes.String() }

// Policy decides what memory policy this machine gets.
func (n NUMA) Policy(t Topology) (MemoryPolicy, error) {
	none := func(reason string, args ...any) (MemoryPolicy, error) {
		return MemoryPolicy{Policy: PolicyDefault, Reason: fmt.Sprintf(reason, args...)}, nil
	}
	for _, id := range n.Bind {
		if !slices.ContainsFunc(t.Nodes, func(m MemoryNode) bool { return m.ID == id }) {
			return MemoryPolicy{}, fmt.Errorf("numa: bind: node %d is not one of this machine, which has %s", id, t.nodeList())
		}
	}
	switch {
	case n.Aware != nil && !*n.Aware:
		return none("numa: aware is off")
	case len(t.Nodes) < 2:
		return none("this machine has one memory node: all memory is as near as can be")
	case n.Aware == nil && t.MemoryBytes() <= awareAbove:
		return none("%d memory nodes with %.0f GB together: it is worth the trouble above 32 GB", len(t.Nodes), float64(t.MemoryBytes())/1e9)
	case len(n.Bind) > 0:
		return MemoryPolicy{PolicyBind, sorted(n.Bind), "the configuration names the nodes"}, nil
	}
	near := t.near()
	if len(near) == 1 {
		return MemoryPolicy{PolicyBind, near, fmt.Sprintf("all cores of this process (%v) are on this node", t.Allowed)}, nil
	}
	return MemoryPolicy{PolicyInterleave, near, "workers on all these nodes share all memory"}, nil
}

func sorted(c CPUs) CPUs {
	c = slices.Clone(c)
	slices.Sort(c)
	return slices.Compact(c)
}

// near lists the nodes of the cores that this process may use.
func (t Topology) near() CPUs {
	var near CPUs
	for _, n := range t.Nodes {
		if len(n.CPUs.without(t.Allowed)) < len(n.CPUs) && n.TotalBytes > 0 {
			near = append(near, n.ID)
		}
	}
	return near
}

func (t Topology) nodeList() string {
	if len(t.Nodes) == 0 {
		return "none that the kernel tells of"
	}
	var ids CPUs
	for _, n := range t.Nodes {
		ids = append(ids, n.ID)
	}
	return ids.String()
}
