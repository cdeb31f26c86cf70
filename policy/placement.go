package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Placement says which processors a target is to have: one of the words below, "node1" for all of
// one NUMA node, or a set in the kernel's list format.
type Placement string

// The placements that are words.
const (
	NUMAAligned Placement = "numa-aligned" // cores of one node, or whole nodes: as many as the target needs
	AllCPUs     Placement = "all"          // every processor that it could have
)

// ParsePlacement reads a placement: numa-aligned, all, node1, or 0-3,8.
func ParsePlacement(s string) (Placement, error) {
	text := strings.TrimSpace(s)
	if p := Placement(text); p == NUMAAligned || p == AllCPUs {
		return p, nil
	}
	if number, isNode := strings.CutPrefix(text, "node"); isNode {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return "", fmt.Errorf("%.40q: want a node such as node1", s)
		}
		return Placement("node" + strconv.FormatUint(n, 10)), nil
	}
	ids, err := ParseIDs(text)
	if err != nil || len(ids) == 0 {
		return "", fmt.Errorf("%.40q: want numa-aligned, all, a node such as node1, or processors such as 0-3,8", s)
	}
	return Placement(ids.String()), nil
}

// node returns the NUMA node that p names, false if it names none.
func (p Placement) node() (int, bool) {
	number, isNode := strings.CutPrefix(string(p), "node")
	n, err := strconv.Atoi(number)
	return n, isNode && err == nil
}

// cores is how many processors numa-aligned gives: the sizes that the guide calls NUMA-friendly.
var cores = []int{2, 4, 8, 16, 32}

// What a target without a limit on CPU leaves of its processors idle, in the share that it may use of
// them before it gets more, and the one below which it does with fewer. In between it stays.
const (
	placeBusy = 0.9
	placeIdle = 0.7
)

// place resolves a change of processors: which ones the target gets.
func (s *Situation) place(z *sizing) *sizing {
	h := s.Host
	if len(h.Topology.Nodes) == 0 {
		return z.refuse("how the processors of %s's host lie is not known", s.Target.Name)
	}
	c := s.placing()
	if len(c.whole) == 0 {
		return z.refuse("which processors %s may have is not known", s.Target.Name)
	}
	set, why := c.resolve(z.p.Change.To.Placement)
	if why != "" {
		return z.refuse("cpus stay at %s: %s", c.say(c.now), why)
	}
	z.p.To = c.quantity(set)
	z.p.Direction = c.direction(set)
	if len(set) == len(c.now) && len(set.Without(c.now)) == 0 {
		z.fulfilled = true
		return z.refuse("cpus are %s already", c.say(set))
	}
	if why := c.keepMemory(set); why != "" {
		return z.refuse("cpus stay at %s: %s", c.say(c.now), why)
	}
	z.touches = append(z.touches, Touch{Limit: "placement", From: z.p.From, To: z.p.To, Text: c.explain(set, z.p.Change.To.Placement)})
	return z
}

// wish proposes what the target's own section asks for, where that is not so already.
func (s *Situation) wish() []Proposal {
	if s.Target.CPUs == "" {
		return nil
	}
	p := Proposal{
		Policy: string(CPUs), Source: FromTarget, Row: -1, Condition: "the target is to be kept on cpus: " + string(s.Target.CPUs),
		Verdict: Scale, Change: Change{Resource: CPUs, To: &To{Placement: s.Target.CPUs}},
	}
	if probe := p; s.size(&probe).fulfilled {
		return nil
	}
	return []Proposal{p}
}

// direction is which way a change to set goes. It counts processors: fewer is a decrease, even where
// a limit on CPU keeps the target from using more at once, since runtimes size themselves by the
// processors they see. As many others is a move.
func (c *placing) direction(set IDs) Direction {
	switch {
	case len(set) > len(c.now):
		return Growth
	case len(set) < len(c.now):
		return Decrease
	}
	return Move
}

// quantity is a set as a size: everything the target could have is no set, but none chosen.
func (c *placing) quantity(set IDs) Quantity {
	if len(set) == len(c.whole) {
		return Unlimited()
	}
	return set.Quantity()
}

// placing gathers what the choice of processors depends on.
func (s *Situation) placing() *placing {
	c := &placing{host: s.Host.Topology, pinned: s.Host.Pinned, whole: s.Host.Topology.CPUs(), demand: s.DemandCores, use: s.WorkingSet}
	if s.Host.Allowed != nil {
		c.whole = c.whole.And(s.Host.Allowed)
	}
	c.now = c.whole
	if _, isSet := s.Sizes[CPUs].Set(); isSet {
		c.now = s.Sizes[CPUs].IDs().And(c.whole)
		c.chosen = true
	}
	parts := int64(max(s.Parts, 1))
	if n, limited := s.Sizes[CPU].Amount(); limited {
		c.limit = n * parts
	}
	if n, limited := s.Sizes[Memory].Amount(); limited {
		c.memory = n * parts
	} else if c.use != nil {
		c.memory = int64(math.Min(float64(*c.use)*1.1*float64(parts), math.MaxInt64/2))
	}
	return c
}

// resolve picks the processors, or says why it cannot.
func (c *placing) resolve(p Placement) (set IDs, refused string) {
	if p == NUMAAligned {
		return c.align(), ""
	}
	if p == AllCPUs {
		return c.whole, ""
	}
	if id, isNode := p.node(); isNode {
		n, known := c.host.Node(id)
		switch set := n.CPUs.And(c.whole); {
		case !known:
			return nil, fmt.Sprintf("the host has no node %d; it has %s", id, nodeWords(c.nodeIDs()))
		case len(set) == 0:
			return nil, fmt.Sprintf("node %d has no processors that it may have", id)
		default:
			return set, ""
		}
	}
	set, err := ParseIDs(string(p))
	if err != nil {
		return nil, err.Error()
	}
	if missing := set.Without(c.whole); len(missing) > 0 {
		return nil, fmt.Sprintf("it may not have processors %s, only %s", missing, c.whole)
	}
	return set, ""
}

// keepMemory refuses processors next to which there is less memory than what is in use: it moves
// along, and what does not fit would be killed.
func (c *placing) keepMemory(set IDs) string {
	mems := c.host.MemsOf(set)
	if len(c.host.memories().Without(mems)) == 0 {
		return "" // all of it
	}
	switch have := c.memoryOf(mems); {
	case c.use == nil:
		return fmt.Sprintf("what is in use of memory is not known, and it would move to %s", nodeWords(mems))
	case !fits(*c.use, have):
		return fmt.Sprintf("%s of memory is in use, and with a tenth more that does not fit into the %s of %s",
			Memory.Format(Amount(*c.use)), Memory.Format(Amount(have)), nodeWords(mems))
	}
	return ""
}

func (c *placing) memoryOf(mems IDs) int64 {
	var n int64
	for _, id := range mems {
		node, _ := c.host.Node(id)
		n = saturatingAdd(n, node.MemoryBytes)
	}
	return n
}

func nodeWords(nodes IDs) string {
	if len(nodes) == 1 {
		return "node " + nodes.String()
	}
	return "nodes " + nodes.String()
}
