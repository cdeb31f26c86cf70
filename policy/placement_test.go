package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/policy"
)

func set(t testing.TB, list string) policy.IDs {
	t.Helper()
	ids, err := policy.ParseIDs(list)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// topology has a node for each list of processors, with 16Gi next to each.
func topology(t testing.TB, nodes ...string) policy.Topology {
	t.Helper()
	var top policy.Topology
	for i, list := range nodes {
		n := policy.NUMANode{ID: i, CPUs: set(t, list), MemoryBytes: 16 * gi}
		for j := range nodes {
			d := 20 + max(i-j, j-i)
			if i == j {
				d = 10
			}
			n.Distances = append(n.Distances, d)
		}
		top.Nodes = append(top.Nodes, n)
	}
	return top
}

// placed is a situation in which the target may be placed.
func placed(t testing.TB, nodes ...string) policy.Situation {
	t.Helper()
	s := situation()
	s.Owners[policy.CPUs] = "docker"
	s.Sizes[policy.CPUs] = policy.Quantity{}
	s.Host.Topology = topology(t, nodes...)
	s.WorkingSet = new(int64(gi))
	return s
}

func TestPlacements(t *testing.T) {
	big := []string{"0-7,16-23", "8-15,24-31"}
	siblings := func(s *policy.Situation) {
		for i := range 16 {
			s.Host.Topology.Cores = append(s.Host.Topology.Cores, policy.IDs{i, i + 16})
		}
	}
	limit := func(n float64) func(*policy.Situation) {
		return func(s *policy.Situation) { s.Sizes[policy.CPU] = cores(n) }
	}
	unlimited := func(s *policy.Situation) { s.Sizes[policy.CPU] = policy.Unlimited() }
	uses := func(n float64) func(*policy.Situation) {
		return func(s *policy.Situation) { s.Sizes[policy.CPU], s.DemandCores = policy.Quantity{}, &n }
	}
	at := func(list string) func(*policy.Situation) {
		return func(s *policy.Situation) { s.Sizes[policy.CPUs] = set(t, list).Quantity() }
	}
	other := func(name, list string) func(*policy.Situation) {
		return func(s *policy.Situation) {
			s.Host.Pinned = append(s.Host.Pinned, policy.Pinned{Target: name, CPUs: set(t, list)})
		}
	}
	memory := func(n int64) func(*policy.Situation) {
		return func(s *policy.Situation) { s.Sizes[policy.Memory] = policy.Amount(n * gi) }
	}
	uses5Gi := func(s *policy.Situation) { s.WorkingSet = new(int64(5 * gi)) }
	little := func(s *policy.Situation) { s.Host.Topology.Nodes[1].MemoryBytes = 4 * gi }
	allowed := func(list string) func(*policy.Situation) {
		return func(s *policy.Situation) { s.Host.Allowed = set(t, list) }
	}
	type with []func(*policy.Situation)
	for _, c := range []struct {
		name      string
		nodes     []string
		with      with
		to        policy.Placement
		want      string // "" is refused
		direction policy.Direction
		text      string // in the touch, or the refusal
	}{
		{"as the limit asks", big, with{limit(2)}, "numa-aligned", "0-1", "decrease", "cpus 0-1 (node 0): 2 processors for a limit of 2 cores"},
		{"rounded up to the guide's sizes", big, with{limit(4.5)}, "numa-aligned", "0-7", "decrease", "8 processors"},
		{"a whole node", big, with{limit(16)}, "numa-aligned", "0-7,16-23", "decrease", "16 processors"},
		{"a node that is smaller than the next size", []string{"0-5", "6-11"}, with{limit(5)}, "numa-aligned", "0-5", "decrease", ""},
		{"whole nodes", []string{"0-3", "4-7", "8-11"}, with{limit(6)}, "numa-aligned", "0-7", "decrease", "(nodes 0-1)"},
		{"all nodes is everything", []string{"0-3", "4-7"}, with{limit(6)}, "numa-aligned", "", "", "all already"},
		{"siblings stay together", big, with{limit(4), siblings}, "numa-aligned", "0-1,16-17", "decrease", ""},
		{"others' processors are left alone", big, with{limit(2), other("web", "0-3")}, "numa-aligned", "8-9", "decrease", ""},
		{"the node of which the fewest are taken", big, with{limit(2), other("web", "0-3"), other("db", "8-13")}, "numa-aligned", "4-5", "decrease", ""},
		{"what is left of a node is enough", []string{"0-3", "4-7"}, with{limit(2), other("web", "0-3"), other("db", "4-5")}, "numa-aligned", "6-7", "decrease", ""},
		{"overlaps only if it must", []string{"0-1", "2-3"}, with{limit(2), other("web", "0-1"), other("db", "2-3")}, "numa-aligned", "0-1", "decrease", "shared: 0-1 with web, since no node has enough"},
		{"rounding up is no reason to overlap", []string{"0-3", "4-7"}, with{limit(3), other("web", "3"), other("db", "4-5")}, "numa-aligned", "0-2", "decrease", ""},
		{"no limit is a whole node", big, with{unlimited}, "numa-aligned", "0-7,16-23", "decrease", "whole node"},
		{"no limit and much use is more nodes", []string{"0-3", "4-7", "8-11"}, with{uses(3.7)}, "numa-aligned", "0-7", "decrease", "uses 3.7 cores"},
		{"no limit on a node half taken", []string{"0-7", "8-15"}, with{unlimited, other("web", "0-3"), other("db", "8-9")}, "numa-aligned", "10-15", "decrease", ""},
		{"stays where it is well", big, with{limit(2), at("8-9")}, "numa-aligned", "", "", "8-9 (node 1) already"},
		{"grows where it is", big, with{limit(4), at("10-11")}, "numa-aligned", "8-11", "growth", ""},
		{"shrinks where it is", big, with{limit(2), at("8-11")}, "numa-aligned", "8-9", "decrease", ""},
		{"moves off another's", []string{"0-3", "4-7"}, with{limit(2), at("0-1"), other("web", "0-1")}, "numa-aligned", "2-3", "move", ""},
		{"moves to the other node if it must", []string{"0-1", "2-3"}, with{limit(2), at("0-1"), other("web", "0-1")}, "numa-aligned", "2-3", "move", ""},
		{"a whole node rather than what little is left", []string{"0-3", "4-7"}, with{unlimited, other("web", "0-2"), other("db", "4-6")}, "numa-aligned", "0-3", "decrease", "shared: 0-2 with web"},
		{"across nodes is not aligned", []string{"0-3", "4-7"}, with{limit(2), at("3-4")}, "numa-aligned", "0,3", "move", ""},
		{"no limit: more before it is full", []string{"0-3", "4-7", "8-11"}, with{uses(3.7), at("0-3")}, "numa-aligned", "0-7", "growth", ""},
		{"no limit: not fewer as soon as it could", []string{"0-3", "4-7", "8-11"}, with{uses(3.3), at("0-7")}, "numa-aligned", "", "", "already"},
		{"no limit: fewer when it is idle", []string{"0-3", "4-7", "8-11"}, with{uses(2.5), at("4-11")}, "numa-aligned", "4-7", "decrease", ""},
		{"memory that fits no node takes more", []string{"0-3", "4-7", "8-11"}, with{limit(2), memory(20)}, "numa-aligned", "0-7", "decrease", ""},
		{"the node with room for the memory", []string{"0-3", "4-7"}, with{limit(2), memory(10), func(s *policy.Situation) { s.Host.Topology.Nodes[0].MemoryBytes = 8 * gi }}, "numa-aligned", "4-5", "decrease", ""},
		{"not beyond what it may have", big, with{limit(2), allowed("8-31")}, "numa-aligned", "16-17", "decrease", ""},
		{"one node has cores, too", []string{"0-7"}, with{limit(2)}, "numa-aligned", "0-1", "decrease", "cpus 0-1: 2 processors"},
		{"a node", big, nil, "node1", "8-15,24-31", "decrease", ""},
		{"a node that is not there", big, nil, "node7", "", "", "the host has no node 7; it has nodes 0-1"},
		{"a node that it may not have", big, with{allowed("0-7")}, "node1", "", "", "node 1 has no processors that it may have"},
		{"a set", big, nil, "2-3,9", "2-3,9", "decrease", "cpus 2-3,9 (nodes 0-1)"},
		{"a set beyond the host", big, nil, "30-33", "", "", "it may not have processors 32-33, only 0-31"},
		{"everything", big, with{at("3")}, "all", "all", "growth", "cpus all"},
		{"everything already", big, nil, "all", "", "", "cpus are all already"},
		{"a set that is everything", big, with{at("3")}, "0-31", "all", "growth", ""},
		{"memory in use must fit", big, with{little, uses5Gi}, "node1", "", "", "5Gi of memory is in use, and with a tenth more that does not fit into the 4Gi of node 1"},
		{"memory in use is not known", big, with{func(s *policy.Situation) { s.WorkingSet = nil }}, "node1", "", "", "what is in use of memory is not known"},
		{"the host is not known", nil, nil, "node1", "", "", "is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := placed(t, c.nodes...)
			for _, change := range c.with {
				change(&s)
			}
			s.Proposals = []policy.Proposal{{Policy: "p", Row: 1, Verdict: policy.Scale, Change: change(t, policy.CPUs, "", string(c.to), "")}}
			ds := policy.Decide(s)
			if len(ds) != 1 {
				t.Fatalf("%d decisions", len(ds))
			}
			d := ds[0]
			said := []string{d.Refused}
			for _, touch := range d.Touches {
				said = append(said, touch.Text)
			}
			if text := strings.Join(said, ""); !strings.Contains(text, c.text) {
				t.Errorf("it says %q, want %q", text, c.text)
			}
			if c.want == "" {
				if d.Refused == "" {
					t.Errorf("got %s, want a refusal", policy.CPUs.Format(d.To))
				}
				return
			}
			if got := policy.CPUs.Format(d.To); d.Refused != "" || got != c.want || d.Direction != c.direction {
				t.Errorf("got %s, a %s (refused %q), want %s, a %s", got, d.Direction, d.Refused, c.want, c.direction)
			}
		})
	}
}

// TestProcessorsFollowAGrowthOfCPU places a target for the limit that is decided beside it.
func TestProcessorsFollowAGrowthOfCPU(t *testing.T) {
	decide := func(cooling bool) []policy.Decision {
		s := placed(t, "0-7", "8-15")
		s.Sizes[policy.CPUs] = policy.Set("0-1")
		s.Host.Capacity[policy.CPU], s.Host.Overcommit = 16000, true
		s.Safety = policy.Safety{Cooldown: policy.Cooldown{Up: time.Hour}, Budget: policy.Budget{PerHour: 9, PerDay: 9, EmergenciesPerDay: 9}}
		if cooling {
			s.Ledger = s.Ledger.Changed(noon, policy.CPU, policy.Growth)
		}
		s.Evaluations = []policy.Evaluation{{Policy: "p", Row: 1, Proposals: []policy.Proposal{
			{Policy: "p", Row: 1, Verdict: policy.Scale, Change: change(t, policy.CPUs, "", "numa-aligned", "")},
			{Policy: "p", Row: 1, Verdict: policy.Scale, Change: change(t, policy.CPU, "x2", "", "")},
		}}}
		return policy.Decide(s)
	}
	ds := decide(false)
	if len(ds) != 2 || ds[0].Change.Resource != policy.CPU || ds[1].To != policy.Set("0-3") || ds[1].Refused != "" || ds[1].Held != nil {
		t.Errorf("cpu and then 4 processors are to be had: %+v", ds)
	}
	ds = decide(true)
	if len(ds) != 2 || ds[0].Held == nil || !strings.Contains(ds[1].Refused, "already") {
		t.Errorf("a growth that waits for its cooldown already counts: %+v", ds)
	}
}

// TestATargetsWish proposes what a target's own section asks for, and nothing once it is so.
func TestATargetsWish(t *testing.T) {
	s := placed(t, "0-3", "4-7")
	s.Target.CPUs = policy.NUMAAligned
	s.Safety.Budget = policy.Budget{PerHour: 9, PerDay: 9}
	ds := policy.Decide(s)
	if len(ds) != 1 || ds[0].To != policy.Set("0-1") || ds[0].Source != policy.FromTarget || ds[0].Held != nil {
		t.Fatalf("decided %+v", ds)
	}
	s.Sizes[policy.CPUs] = ds[0].To
	if ds := policy.Decide(s); len(ds) != 0 {
		t.Errorf("it is so, and decided is %+v", ds)
	}
	s.Host.Topology = policy.Topology{}
	if ds := policy.Decide(s); len(ds) != 1 || !strings.Contains(ds[0].Refused, "not known") {
		t.Errorf("nobody knows, and decided is %+v", ds)
	}
}

// TestMoreProcessorsGoFirst has two policies that want fewer of them.
func TestMoreProcessorsGoFirst(t *testing.T) {
	s := placed(t, "0-3", "4-7")
	for name, to := range map[string]string{"a": "1", "b": "1-3", "c": "2-3"} {
		s.Proposals = append(s.Proposals, policy.Proposal{Policy: name, Row: 1, Verdict: policy.Scale, Change: change(t, policy.CPUs, "", to, "")})
	}
	if d := policy.Decide(s)[0]; d.To != policy.Set("1-3") || len(d.Losers) != 2 || !strings.Contains(d.Losers[0].Reason, "the larger size goes first") {
		t.Errorf("decided %s, losers %+v", policy.CPUs.Format(d.To), d.Losers)
	}
}

func TestAMoveIsHeldAsADecrease(t *testing.T) {
	s := placed(t, "0-3", "4-7")
	s.Sizes[policy.CPUs] = policy.Set("3-4")
	s.Safety.Budget = policy.Budget{PerHour: 1, PerDay: 1}
	s.Safety.Cooldown = policy.Cooldown{Up: time.Minute, Down: time.Hour}
	s.Ledger = policy.Ledger{}.Changed(noon.Add(-2*time.Minute), policy.CPUs, policy.Growth)
	s.Actions = []policy.OpenAction{{ID: "x", Resource: policy.CPUs, State: "validating"}}
	s.Proposals = []policy.Proposal{{Policy: "p", Row: 1, Verdict: policy.Emergency, Change: change(t, policy.CPUs, "", "numa-aligned", "")}}
	d := policy.Decide(s)[0]
	if d.Direction != policy.Move || d.Held == nil || d.Held.By != policy.HeldByValidation || len(d.Held.Also) != 0 {
		t.Errorf("%+v, held %+v: want a move that waits for the validation, and not for the cooldown of a decrease", d, d.Held)
	}
	if got := policy.AccountOf(d); got != policy.Regular {
		t.Errorf("paid from %s", got)
	}
}

func TestProcessorsArePlacedNotCounted(t *testing.T) {
	for _, c := range [][3]string{{"x2", "", ""}, {"", "", ""}, {"", "numa-aligned", "4"}, {"", "max", ""}, {"", "nodeX", ""}, {"", "3-1", ""}} {
		if got, err := policy.ParseChange(policy.CPUs, c[0], c[1], c[2]); err == nil {
			t.Errorf("%q was taken: %v", c, got)
		}
	}
	got := change(t, policy.CPUs, "", " 8,0-3 ", "")
	if diff := cmp.Diff("cpus to 0-3,8", got.String()); diff != "" {
		t.Error(diff)
	}
	for q, want := range map[policy.Quantity]string{policy.Set("0-3"): "0-3", policy.Unlimited(): "all", {}: "all"} {
		if got := policy.CPUs.Format(q); got != want {
			t.Errorf("%v is written %q, want %q", q, got, want)
		}
	}
}

// processors rolls how the host's processors lie and who keeps to which.
func (d *dice) processors(s *policy.Situation) {
	if d.roll(8) > 0 {
		s.Owners[policy.CPUs] = "docker"
	}
	if d.roll(8) == 0 {
		return
	}
	each, next := 1+d.roll(8), 0
	for id := range 1 + d.roll(4) {
		n := policy.NUMANode{ID: id, MemoryBytes: int64(d.roll(5)) << 33}
		for range each {
			n.CPUs, next = append(n.CPUs, next), next+1
		}
		s.Host.Topology.Nodes = append(s.Host.Topology.Nodes, n)
	}
	some := func() policy.IDs {
		ids := policy.IDs{}
		for cpu := range next {
			if d.roll(3) == 0 {
				ids = append(ids, cpu)
			}
		}
		return ids
	}
	if d.roll(2) == 0 {
		for cpu := 0; cpu+1 < next; cpu += 2 {
			s.Host.Topology.Cores = append(s.Host.Topology.Cores, policy.IDs{cpu, cpu + 1})
		}
	}
	if d.roll(4) == 0 {
		s.Host.Allowed = some()
	}
	for range d.roll(3) {
		s.Host.Pinned = append(s.Host.Pinned, policy.Pinned{Target: "other", CPUs: some(), MemoryBytes: int64(d.roll(8)) << 30})
	}
	if s.Sizes[policy.CPUs] = (policy.Quantity{}); d.roll(2) == 0 {
		if now := some(); len(now) > 0 {
			s.Sizes[policy.CPUs] = now.Quantity()
		}
	}
	if d.roll(2) == 0 {
		s.DemandCores = new(float64(d.roll(100)) / 10)
	}
}

// checkPlacement holds a choice of processors against what must never happen.
func checkPlacement(t *testing.T, s policy.Situation, d policy.Decision) {
	t.Helper()
	fail := func(what string) {
		t.Helper()
		t.Errorf("%s: %v -> %v (%s) for %v", what, d.From, d.To, d.Direction, d.Change)
	}
	whole := s.Host.Topology.CPUs()
	if s.Host.Allowed != nil {
		whole = whole.And(s.Host.Allowed)
	}
	effective := func(q policy.Quantity) policy.IDs {
		if _, isSet := q.Set(); isSet {
			return q.IDs()
		}
		return whole
	}
	to, from := effective(d.To), effective(d.From).And(whole)
	if len(to) == 0 || len(to.Without(whole)) > 0 {
		fail("nothing, or more than it may have")
	}
	if _, isSet := d.To.Set(); isSet && len(to) == len(whole) {
		fail("everything, written as a set")
	}
	if slices.Equal(to, from) {
		fail("a change that changes nothing")
	}
	if want := (map[int]policy.Direction{-1: policy.Decrease, 0: policy.Move, 1: policy.Growth})[max(-1, min(1, len(to)-len(from)))]; d.Direction != want {
		fail("another direction than " + string(want))
	}
	for _, e := range s.Evaluations {
		if d.Direction == policy.Decrease && e.Veto && (len(e.VetoOn) == 0 || slices.Contains(e.VetoOn, policy.CPUs)) {
			fail("a decrease under a veto")
		}
	}
	if d.Change.To.Placement == policy.NUMAAligned {
		checkAligned(t, s, d, to, whole)
	}
}

// checkAligned holds what numa-aligned promises: nobody else's processors where one node has enough
// free, enough for the limit, and no second move right after the first.
func checkAligned(t *testing.T, s policy.Situation, d policy.Decision, to, whole policy.IDs) {
	t.Helper()
	taken := policy.IDs{}
	for _, p := range s.Host.Pinned {
		taken = taken.Or(p.CPUs)
	}
	if n, limited := s.Sizes[policy.CPU].Amount(); limited && len(to) < int(min(n, 1<<20)*int64(max(s.Parts, 1))+999)/1000 && len(to) < len(whole) {
		t.Errorf("%v is fewer than the limit of %d asks for, of %v", to, n, whole)
	}
	if nodes := s.Host.Topology.NodesOf(to); len(nodes) > 1 {
		for _, id := range nodes {
			n, _ := s.Host.Topology.Node(id)
			if len(n.CPUs.And(whole).Without(to)) > 0 {
				t.Errorf("%v is parts of several nodes", to)
			}
		}
	} else if len(to.And(taken)) > 0 {
		for _, n := range s.Host.Topology.Nodes {
			if free := n.CPUs.And(whole).Without(taken); len(free) >= len(to) && n.MemoryBytes >= 64*gi {
				t.Errorf("%v overlaps %v, and %v is free", to, taken, free)
			}
		}
	}
	s.Proposals, s.Evaluations = []policy.Proposal{d.Proposal}, nil
	if alone := policy.Decide(s); alone[0].To != d.To {
		return // it is placed for the limit that a growth beside it will bring
	}
	s.Sizes = policy.Size{policy.CPU: s.Sizes[policy.CPU], policy.Memory: s.Sizes[policy.Memory], policy.CPUs: d.To}
	if again := policy.Decide(s); again[0].Refused == "" {
		t.Errorf("%v -> %v, and right after it %v", d.From, d.To, again[0].To)
	}
}
