package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Pinned is another target on the host that keeps to some of its processors.
type Pinned struct {
	Target string
	CPUs   IDs
	// MemoryBytes is what it may use of memory next to them; 0 is not known.
	MemoryBytes int64
}

// A placing is the choice of processors for one target under way.
type placing struct {
	host   Topology
	whole  IDs // what the target could have
	now    IDs // what it has
	chosen bool
	pinned []Pinned
	limit  int64    // on CPU, in thousandths of a core; 0 is none
	demand *float64 // in cores, nil if not measured
	memory int64    // what it may need; 0 is not known
	use    *int64   // what it cannot give back, nil if not measured
}

// A site is one way to place the target: on the processors of some nodes.
type site struct {
	nodes IDs
	cpus  IDs
	// overlap is how many of the processors others keep to, shares how many that has of the present
	// ones, and busy how many of the nodes' processors others keep to.
	overlap, shares, busy int
}

// align picks cores of one node, or whole nodes if no single one has enough, as follows. As many as
// the limit on CPU asks for, rounded up to 2, 4, 8, 16 or 32 where the node has that many free. A
// target without a limit gets whole nodes: fewer would be a limit that nobody chose. No processor that
// another target keeps to, unless there is no other way; where the target is already, if that is as
// good; else where the fewest are taken. The memory that it may use has to fit, too.
func (c *placing) align() IDs {
	var sites []site
	for _, n := range c.host.Nodes {
		if s, ok := c.onNode(n); ok {
			sites = append(sites, s)
		}
	}
	if len(sites) == 0 {
		return c.wholeNodes()
	}
	slices.SortStableFunc(sites, func(a, b site) int {
		return cmp.Or(cmp.Compare(a.overlap, b.overlap), -cmp.Compare(a.shares, b.shares), cmp.Compare(a.busy, b.busy), cmp.Compare(a.nodes[0], b.nodes[0]))
	})
	if c.keeps(len(sites[0].cpus)) {
		return c.now
	}
	return sites[0].cpus
}

// need is how many processors the target needs at least: as its limit on CPU says, or else so many that
// some of them are idle.
func (c *placing) need() int {
	if c.limit > 0 {
		return int((c.limit + 999) / 1000)
	}
	return c.needAt(placeBusy)
}

// needAt is how many processors the demand fills to that share.
func (c *placing) needAt(share float64) int {
	if c.demand == nil || !(*c.demand > 0) {
		return 1
	}
	return int(math.Ceil(math.Min(*c.demand/share, 1<<20)))
}

// keeps reports whether a target without a limit keeps the whole nodes that it has, although its use
// would just fit into fewer processors: it would soon need them again.
func (c *placing) keeps(fewer int) bool {
	if c.limit > 0 || !c.chosen || len(c.now) <= fewer || c.needAt(placeIdle) <= fewer || len(c.now.And(c.taken())) > 0 {
		return false
	}
	for _, n := range c.host.Nodes {
		if has := n.CPUs.And(c.now); len(has) > 0 && len(has) < len(n.CPUs.And(c.whole)) {
			return false
		}
	}
	return true
}

// rounded is the need in the sizes that the guide calls NUMA-friendly.
func rounded(need int) int {
	i, _ := slices.BinarySearch(cores, need)
	if i < len(cores) {
		return cores[i]
	}
	return need
}

// onNode is the best place on one node, false if the target does not fit there.
func (c *placing) onNode(n NUMANode) (site, bool) {
	have, need := n.CPUs.And(c.whole), c.need()
	if len(have) < need || len(have) == 0 || !c.roomOn(IDs{n.ID}) {
		return site{}, false
	}
	free := have.Without(c.taken())
	most := rounded(need)
	if c.limit == 0 {
		most = len(have)
		if 2*len(free) < len(have) {
			need = most // what is left of the node is too little: the whole of it
		}
	}
	count := max(need, min(most, len(free)))
	s := site{nodes: IDs{n.ID}, busy: len(have) - len(free)}
	if c.chosen {
		s.shares = len(c.now.And(have))
	}
	if s.cpus = c.pick(have, count); c.stays(have, need, most) {
		s.cpus = c.now
	}
	s.overlap = len(s.cpus.And(c.taken()))
	return s, true
}

// stays reports whether the target lies well on these processors already.
func (c *placing) stays(have IDs, need, most int) bool {
	return c.chosen && len(c.now) >= need && len(c.now) <= most && len(c.now.Without(have)) == 0 && len(c.now.And(c.taken())) == 0
}

// taken are the processors that other targets keep to.
func (c *placing) taken() IDs {
	all := IDs{}
	for _, p := range c.pinned {
		all = all.Or(p.CPUs)
	}
	return all
}

// pick takes count of the processors: free ones first, then those that the target has, whole cores
// before parts of some, in order.
func (c *placing) pick(have IDs, count int) IDs {
	taken := c.taken()
	groups := c.coresOf(have)
	slices.SortStableFunc(groups, func(a, b IDs) int {
		held := 0
		if c.chosen {
			held = cmp.Compare(len(b.And(c.now)), len(a.And(c.now)))
		}
		return cmp.Or(cmp.Compare(len(a.And(taken)), len(b.And(taken))), held, -cmp.Compare(len(a), len(b)), cmp.Compare(a[0], b[0]))
	})
	picked := IDs{}
	for _, group := range groups {
		left := count - len(picked)
		picked = picked.Or(group[:min(left, len(group))])
	}
	return picked
}

// coresOf groups processors by the core that they share.
func (c *placing) coresOf(have IDs) []IDs {
	var groups []IDs
	seen := IDs{}
	for _, core := range c.host.Cores {
		if group := core.And(have).Without(seen); len(group) > 0 {
			groups = append(groups, group)
			seen = seen.Or(group)
		}
	}
	for _, cpu := range have.Without(seen) {
		groups = append(groups, IDs{cpu})
	}
	return groups
}

// wholeNodes adds node to node until the target fits: free ones first, then those that it has, then
// the nearest. What turns out not to be needed is left out again.
func (c *placing) wholeNodes() IDs {
	left := slices.DeleteFunc(slices.Clone(c.host.Nodes), func(n NUMANode) bool { return len(n.CPUs.And(c.whole)) == 0 })
	nodes := IDs{}
	var added []int
	for len(left) > 0 && !c.fitsOn(nodes) {
		slices.SortStableFunc(left, func(a, b NUMANode) int {
			return cmp.Or(cmp.Compare(c.busy(a), c.busy(b)), -cmp.Compare(c.shares(a), c.shares(b)),
				cmp.Compare(c.distance(a, nodes), c.distance(b, nodes)), cmp.Compare(a.ID, b.ID))
		})
		nodes, added = nodes.Or(IDs{left[0].ID}), append(added, left[0].ID)
		left = left[1:]
	}
	for _, id := range slices.Backward(added) {
		if fewer := nodes.Without(IDs{id}); len(fewer) > 0 && c.fitsOn(fewer) {
			nodes = fewer
		}
	}
	cpus := c.cpusOf(nodes)
	if c.keeps(len(cpus)) {
		return c.now
	}
	return cpus
}

func (c *placing) fitsOn(nodes IDs) bool { return len(c.cpusOf(nodes)) >= c.need() && c.roomOn(nodes) }

// cpusOf are the processors of the nodes that the target could have.
func (c *placing) cpusOf(nodes IDs) IDs {
	cpus := IDs{}
	for _, id := range nodes {
		n, _ := c.host.Node(id)
		cpus = cpus.Or(n.CPUs.And(c.whole))
	}
	return cpus
}

func (c *placing) busy(n NUMANode) int { return len(n.CPUs.And(c.whole).And(c.taken())) }

func (c *placing) shares(n NUMANode) int {
	if !c.chosen {
		return 0
	}
	return len(n.CPUs.And(c.now))
}

// distance is how far n is from the nodes together.
func (c *placing) distance(n NUMANode, nodes IDs) int {
	far := 0
	for i, other := range c.host.Nodes {
		if nodes.Has(other.ID) && i < len(n.Distances) {
			far += n.Distances[i]
		}
	}
	return far
}

// roomOn reports whether the memory that the target may use fits next to the processors of the nodes,
// beside that of the others that keep to just one of them.
func (c *placing) roomOn(nodes IDs) bool {
	var room int64
	for _, id := range c.host.MemsOf(c.cpusOf(nodes)) {
		n, _ := c.host.Node(id)
		have := n.MemoryBytes
		for _, p := range c.pinned {
			if theirs := c.host.MemsOf(p.CPUs); len(theirs) == 1 && theirs[0] == id {
				have -= min(have, p.MemoryBytes)
			}
		}
		room = saturatingAdd(room, have)
	}
	return c.memory <= room
}

func (c *placing) nodeIDs() IDs {
	ids := IDs{}
	for _, n := range c.host.Nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

// say writes a set for people: "2-3 (node 1)".
func (c *placing) say(set IDs) string {
	if len(set) == len(c.whole) {
		return "all"
	}
	return strings.TrimPrefix(c.host.Describe(set), "cpus ")
}

// explain says why just these processors.
func (c *placing) explain(set IDs, p Placement) string {
	text := "cpus " + c.say(set)
	if p == NUMAAligned {
		text += ": " + c.asked(len(set))
	}
	var shared []string
	for _, other := range c.pinned {
		if both := other.CPUs.And(set); len(both) > 0 {
			shared = append(shared, fmt.Sprintf("%s with %s", both, other.Target))
		}
	}
	if len(shared) == 0 || len(set) == len(c.whole) {
		return text
	}
	text += "; shared: " + strings.Join(shared, ", ")
	if p == NUMAAligned {
		text += ", since no node has enough that nobody keeps to"
	}
	return text
}

func (c *placing) asked(n int) string {
	switch {
	case c.limit > 0:
		return fmt.Sprintf("%d processors for a limit of %s", n, CPU.Format(Amount(c.limit)))
	case c.demand != nil:
		return fmt.Sprintf("there is no limit on cpu, and it uses %s cores", trimFloat(*c.demand, 2))
	}
	return "there is no limit on cpu, so it gets a whole node"
}
