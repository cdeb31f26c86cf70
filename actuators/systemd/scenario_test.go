package systemd_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
)

const (
	mib     = 1 << 20
	worker  = "worker.service"
	control = "/run/systemd/system.control/worker.service.d/"
	admin   = "etc/systemd/system/worker.service.d/"
)

// A scenario is one change of a unit in some surroundings, and the calls that it makes.
type scenario struct {
	name     string
	fragment string            // the lines of its unit file
	dropIns  map[string]string // by their paths
	edit     func(*policy.Target)
	resource policy.Resource
	to       policy.Quantity
	cache    int64 // page cache that it holds
	do, undo []string
}

func scenarios() []scenario {
	return []scenario{
		{
			name: "nothing set", resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"set CPUQuota=150.00%"},
			undo: []string{"reload"},
		},
		{
			name: "set in the unit file", fragment: "CPUQuota=50%", resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"set CPUQuota=150.00%"},
			undo: []string{"reload"},
		},
		{
			name: "persistent", resource: policy.CPU, to: policy.Amount(1500), edit: persistent,
			do:   []string{"set CPUQuota=150.00%"},
			undo: []string{"reload"},
		},
		{
			name: "set by systemctl set-property", dropIns: map[string]string{control[1:] + "50-CPUQuota.conf": "# as somebody liked it\n[Service]\nCPUQuota=50%\n"},
			resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"set CPUQuota=150.00%"},
			undo: []string{"reload"},
		},
		{
			name: "set free from systemctl set-property", dropIns: map[string]string{control[1:] + "50-CPUQuota.conf": "# as somebody liked it\n[Service]\nCPUQuota=50%\n"},
			resource: policy.CPU, to: policy.Unlimited(),
			do:   []string{"set CPUQuota="},
			undo: []string{"reload"},
		},
		{
			name: "override.conf", dropIns: map[string]string{admin + "override.conf": "[Service]\nCPUQuota=50%\n"}, resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"reload"},
			undo: []string{"reload"},
		},
		{
			name: "override.conf of something else", dropIns: map[string]string{admin + "override.conf": "[Service]\nMemoryMax=1G\n"}, resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"set CPUQuota=150.00%"},
			undo: []string{"reload"},
		},
		{
			name: "a file that sorts before", dropIns: map[string]string{admin + "10-cpu.conf": "[Service]\nCPUQuota=50%\n"}, resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"set CPUQuota=150.00%"},
			undo: []string{"reload"},
		},
		{
			name: "an administrator's file of systemd's name", dropIns: map[string]string{admin + "50-CPUQuota.conf": "[Service]\nCPUQuota=50%\nMemoryMax=1G\n"}, resource: policy.CPU, to: policy.Amount(1500),
			do:   []string{"reload"},
			undo: []string{"reload"},
		},
		{
			name: "a runtime change below a persistent one", resource: policy.CPU, to: policy.Amount(1500),
			dropIns: map[string]string{"etc/systemd/system.control/worker.service.d/50-CPUQuota.conf": "[Service]\nCPUQuota=50.00%\n"},
			do:      []string{"reload"},
			undo:    []string{"reload"},
		},
		{
			name: "memory grows", fragment: "MemoryMax=128M", resource: policy.Memory, to: policy.Amount(256 * mib),
			do:   []string{"set MemoryMax=268435456"},
			undo: []string{"reload"},
		},
		{
			name: "memory grows with its high mark", fragment: "MemoryMax=128M\nMemoryHigh=96M", resource: policy.Memory, to: policy.Amount(256 * mib),
			do:   []string{"set MemoryMax=268435456 MemoryHigh=201326592"},
			undo: []string{"reload"},
		},
		{
			name: "memory shrinks, and fits", fragment: "MemoryMax=128M", resource: policy.Memory, to: policy.Amount(64 * mib),
			do:   []string{"set MemoryMax=67108864"},
			undo: []string{"reload"},
		},
		{
			name: "memory shrinks below the page cache", fragment: "MemoryMax=128M", resource: policy.Memory, to: policy.Amount(64 * mib), cache: 100 * mib,
			do:   []string{"set MemoryHigh=67108864", "set MemoryMax=67108864", "reload"},
			undo: []string{"reload"},
		},
		{
			name: "memory shrinks below the page cache, beside override.conf", fragment: "MemoryMax=1G", resource: policy.Memory, to: policy.Amount(64 * mib), cache: 100 * mib,
			dropIns: map[string]string{admin + "override.conf": "[Service]\nMemoryMax=128M\nMemoryHigh=120M\n"},
			do:      []string{"set MemoryHigh=67108864", "reload"},
			undo:    []string{"reload"},
		},
		{
			name: "pinned", resource: policy.CPUs, to: policy.Set("2-3"),
			do:   []string{"set AllowedCPUs=2-3 AllowedMemoryNodes=1"},
			undo: []string{"set AllowedCPUs=0-3 AllowedMemoryNodes=0-1", "reload"},
		},
		{
			name: "pinned elsewhere", fragment: "AllowedCPUs=0", resource: policy.CPUs, to: policy.Set("2-3"),
			do:   []string{"set AllowedMemoryNodes=1", "reload"},
			undo: []string{"set AllowedMemoryNodes=0-1", "reload"},
		},
		{
			name: "set free", dropIns: map[string]string{admin + "override.conf": "[Service]\nAllowedCPUs=0 1\nAllowedMemoryNodes=0\n"}, resource: policy.CPUs, to: policy.Unlimited(),
			do:   []string{"set AllowedCPUs=0-3 AllowedMemoryNodes=0-1", "reload"},
			undo: []string{"reload"},
		},
		{
			name: "by restart", fragment: "CPUQuota=50%", resource: policy.CPU, to: policy.Amount(1500), edit: byRestart(policy.CPU),
			do:   []string{"set CPUQuota=150.00%", "restart worker.service"},
			undo: []string{"reload", "restart worker.service"},
		},
		{
			name: "swap and protection move along", fragment: "MemoryMax=128M\nMemorySwapMax=64M", resource: policy.Memory, to: policy.Amount(256 * mib),
			edit: func(t *policy.Target) {
				t.Memory = policy.MemoryOptions{Reservation: 0.5, Swap: policy.SwapKeepRatio}
			},
			do:   []string{"set MemoryMax=268435456 MemorySwapMax=134217728 MemoryLow=134217728"},
			undo: []string{"reload"},
		},
	}
}

// A stage is a scenario set up.
type stage struct {
	*model
	unit   *modelUnit
	target policy.Target
	plan   actuators.Plan
	was    snapshot
}

// A snapshot is all that an undo has to bring back.
type snapshot struct {
	Tree     map[string]string
	Settings map[string]string
	CPUs     string
}

func (s *stage) snapshot() snapshot {
	cpus, _ := s.read("sys/fs/cgroup" + s.group(s.unit) + "/cpuset.cpus.effective")
	return snapshot{s.tree(), maps.Clone(s.unit.loaded), cpus}
}

func (s scenario) set(t testing.TB) *stage {
	t.Helper()
	m := newModel(t)
	u := m.add(worker, "[Service]\n"+s.fragment+"\n", s.dropIns)
	u.cache = s.cache
	m.realize(u)
	g := &stage{model: m, unit: u, target: m.target(worker)}
	if s.edit != nil {
		s.edit(&g.target)
	}
	g.was = g.snapshot()
	d := m.driver()
	st, err := d.Observe(t.Context(), g.target)
	if err != nil {
		t.Fatal(err)
	}
	if g.plan, err = d.Plan(g.target, st, policy.Size{s.resource: s.to}); err != nil {
		t.Fatal(err)
	}
	g.plan.Steps = journalled(t, g.plan.Steps)
	return g
}

func journalled(t testing.TB, steps []actuators.Step) []actuators.Step {
	t.Helper()
	text, err := json.Marshal(steps)
	var back []actuators.Step
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// do carries the plan out, up to the first step that fails.
func (s *stage) do(t testing.TB) error {
	d := s.driver()
	for _, step := range s.plan.Steps {
		if err := d.Do(t.Context(), s.target, step); err != nil {
			return err
		}
	}
	return nil
}

// undo takes it back, with a driver that knows nothing of it.
func (s *stage) undo(t testing.TB) error {
	d := s.driver()
	for _, step := range slices.Backward(s.plan.Steps) {
		if err := d.Undo(t.Context(), s.target, step); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) asBefore(t testing.TB, when string) {
	t.Helper()
	if diff := cmp.Diff(s.was, s.snapshot()); diff != "" {
		t.Errorf("%s (-was +is):\n%s", when, diff)
	}
}

func (s *stage) holds(t testing.TB, r policy.Resource, want policy.Quantity, when string) {
	t.Helper()
	st, err := s.driver().Observe(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	if p := st.Parts[0]; !actuators.Same(r, p.Configured[r], want) || !actuators.Same(r, p.Effective[r], want) {
		t.Errorf("%s: configured %s, effective %s, want %s", when, p.Configured[r], p.Effective[r], want)
	}
}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			g := s.set(t)
			if err := g.do(t); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.do, g.calls); diff != "" {
				t.Errorf("do (-want +got):\n%s", diff)
			}
			g.holds(t, s.resource, s.to, "after do")
			before := g.snapshot()
			g.reloadAll()
			if diff := cmp.Diff(before, g.snapshot()); diff != "" {
				t.Errorf("a daemon-reload changed something (-before +after):\n%s", diff)
			}
			g.calls = nil
			if err := g.undo(t); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.undo, g.calls); diff != "" {
				t.Errorf("undo (-want +got):\n%s", diff)
			}
			g.asBefore(t, "after undo")
			g.reloadAll()
			g.asBefore(t, "after a daemon-reload")
		})
	}
}

// TestRelease wants nothing to be left once the size was given back, without any record of the change.
func TestRelease(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			g := s.set(t)
			d := g.driver()
			st, err := d.Observe(t.Context(), g.target)
			if err != nil {
				t.Fatal(err)
			}
			first := st.Parts[0].Configured[s.resource]
			if err := g.do(t); err != nil {
				t.Fatal(err)
			}
			if st, err = d.Observe(t.Context(), g.target); err != nil {
				t.Fatal(err)
			}
			back, err := d.Plan(g.target, st, policy.Size{s.resource: first})
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range back.Steps {
				if err := d.Do(t.Context(), g.target, step); err != nil {
					t.Fatal(err)
				}
			}
			g.holds(t, s.resource, first, "after the plan back")
			for range 2 {
				if err := d.Release(t.Context(), g.target); err != nil {
					t.Fatal(err)
				}
			}
			g.holds(t, s.resource, first, "after release")
			g.noneLeft(t, "after release")
		})
	}
}

// TestReleaseOfOthers wants a file that an administrator changed since to stay as it is.
func TestReleaseOfOthers(t *testing.T) {
	g := scenario{resource: policy.CPU, to: policy.Amount(1500)}.set(t)
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	const name = control + "50-CPUQuota.conf"
	g.model.write(name, "[Service]\nCPUQuota=80%\n") // systemctl set-property
	g.reloadAll()
	if err := g.driver().Release(t.Context(), g.target); err != nil {
		t.Fatal(err)
	}
	tree := g.tree()
	if _, left := tree[control+systemd.MadeList]; left || tree[name] != "[Service]\nCPUQuota=80%\n" {
		t.Errorf("after release: %v", tree)
	}
	g.holds(t, policy.CPU, policy.Amount(800), "after release")
}

// TestReleaseOfTheTransient has a unit without a unit file, whose files are in a place of their own.
func TestReleaseOfTheTransient(t *testing.T) {
	g := scenario{fragment: "CPUQuota=50%", resource: policy.CPU, to: policy.Amount(1500)}.set(t)
	g.unit.transient = true
	d := g.driver()
	for _, to := range []int64{1500, 500} { // there, and back to what the unit was made with
		st, err := d.Observe(t.Context(), g.target)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := d.Plan(g.target, st, policy.Size{policy.CPU: policy.Amount(to)})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan.Steps {
			if err := d.Do(t.Context(), g.target, step); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Release(t.Context(), g.target); err != nil {
		t.Fatal(err)
	}
	g.holds(t, policy.CPU, policy.Amount(500), "after release")
	g.noneLeft(t, "after release")
}

// noneLeft wants no file but those that were there before. Of one that `systemctl set-property` made
// and the driver changed the text may be another.
func (s *stage) noneLeft(t testing.TB, when string) {
	t.Helper()
	is := s.tree()
	for name, text := range is {
		was, had := s.was.Tree[name]
		if !had || was != text && !strings.HasPrefix(name, control) {
			t.Errorf("%s: left: %s: %q, before %q", when, name, text, was)
		}
	}
	for name := range s.was.Tree {
		if _, there := is[name]; !there {
			t.Errorf("%s: gone: %s", when, name)
		}
	}
	loaded := maps.Clone(s.unit.loaded)
	s.reloadAll()
	if diff := cmp.Diff(loaded, s.unit.loaded); diff != "" {
		t.Errorf("%s: a daemon-reload changed something (-before +after):\n%s", when, diff)
	}
}
