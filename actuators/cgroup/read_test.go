package cgroup_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// tree lays a recorded tree out on disk and returns where it is.
func tree(t *testing.T, name string) string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func find(t *testing.T, root string, pid int) cgroup.Group {
	t.Helper()
	g, err := cgroup.Find(root, pid)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func read(t *testing.T, g cgroup.Group) cgroup.Stats {
	t.Helper()
	s, err := g.Read()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var quantities = cmp.Comparer(func(a, b policy.Quantity) bool { return a == b })

func TestRead(t *testing.T) {
	tests := []struct {
		tree string
		pid  int
		path string
		v2   bool
		want cgroup.Stats
	}{
		{"v2", 42, "/system.slice/docker-ab12.scope", true, cgroup.Stats{
			CPU: cgroup.CPU{
				Used: new(12500 * time.Millisecond), User: new(10 * time.Second), System: new(2500 * time.Millisecond),
				Periods: new(int64(4000)), ThrottledPeriods: new(int64(1200)), Throttled: new(time.Minute),
				Limit: policy.Amount(1500), ParentLimit: policy.Amount(1000), EffectiveLimit: policy.Amount(1000), Weight: new(int64(100)),
			},
			Memory: cgroup.Memory{
				Usage: new(int64(300000000)), WorkingSet: new(int64(240000000)), Anon: new(int64(200000000)),
				File: new(int64(90000000)), Kernel: new(int64(10000000)), ActiveFile: new(int64(30000000)), InactiveFile: new(int64(60000000)), Swap: new(int64(0)),
				Limit: policy.Amount(536870912), ParentLimit: policy.Unlimited(), EffectiveLimit: policy.Amount(536870912),
				High: policy.Unlimited(), Low: policy.Amount(0), SwapLimit: policy.Amount(536870912),
				OOMKills: new(int64(1)), LimitHits: new(int64(20)), Refaults: new(int64(12)),
			},
			Pressure: cgroup.Pressure{
				CPU:    cgroup.Stall{Some: new(5 * time.Second), Full: new(4 * time.Second)},
				Memory: cgroup.Stall{Some: new(30 * time.Microsecond), Full: new(20 * time.Microsecond)},
				IO:     cgroup.Stall{Some: new(9 * time.Microsecond), Full: new(8 * time.Microsecond)},
			},
			Cpuset: cgroup.Cpuset{CPUs: cgroup.Set{0, 1, 2, 3, 6}, Mems: cgroup.Set{0, 1}, CPUsAbove: cgroup.Set{0, 1, 2, 3, 6}, MemsAbove: cgroup.Set{0, 1}},
			IO:     cgroup.IO{ReadBytes: new(int64(4196)), WriteBytes: new(int64(8392)), ReadOps: new(int64(11)), WriteOps: new(int64(22))},
			PIDs:   cgroup.PIDs{Current: new(int64(16)), Limit: policy.Unlimited()},
		}},
		{"v1", 42, "/docker/ab12", false, cgroup.Stats{
			CPU: cgroup.CPU{
				Used: new(5 * time.Second), User: new(4 * time.Second), System: new(time.Second),
				Periods: new(int64(100)), ThrottledPeriods: new(int64(40)), Throttled: new(2500 * time.Millisecond),
				Limit: policy.Amount(500), ParentLimit: policy.Amount(4000), EffectiveLimit: policy.Amount(500), Shares: new(int64(1024)),
			},
			Memory: cgroup.Memory{
				Usage: new(int64(100000000)), WorkingSet: new(int64(70000000)), Anon: new(int64(50000000)),
				File: new(int64(40000000)), Kernel: new(int64(3000000)), InactiveFile: new(int64(30000000)), Swap: new(int64(7)),
				Limit: policy.Amount(134217728), ParentLimit: policy.Unlimited(), EffectiveLimit: policy.Amount(104857600),
				Low: policy.Amount(67108864), SwapLimit: policy.Amount(134217728),
				OOMKills: new(int64(2)), LimitHits: new(int64(12)), Refaults: new(int64(3)),
			},
			Cpuset: cgroup.Cpuset{CPUs: cgroup.Set{0, 1}, Mems: cgroup.Set{0}},
			IO:     cgroup.IO{ReadBytes: new(int64(4096)), WriteBytes: new(int64(8192)), ReadOps: new(int64(5)), WriteOps: new(int64(2))},
			PIDs:   cgroup.PIDs{Current: new(int64(5)), Limit: policy.Amount(100)},
		}},
		{"hybrid", 42, "/a.slice", false, cgroup.Stats{
			CPU:      cgroup.CPU{Used: new(9 * time.Nanosecond), User: new(6 * time.Nanosecond), System: new(3 * time.Nanosecond), Periods: new(int64(7))},
			Memory:   cgroup.Memory{Usage: new(int64(11))},
			Pressure: cgroup.Pressure{CPU: cgroup.Stall{Some: new(5 * time.Microsecond)}},
		}},
		{"hybrid", 43, "/a.slice", false, cgroup.Stats{ // its v2 group is the root: the host's pressure
			CPU:    cgroup.CPU{Used: new(9 * time.Nanosecond), User: new(6 * time.Nanosecond), System: new(3 * time.Nanosecond), Periods: new(int64(7))},
			Memory: cgroup.Memory{Usage: new(int64(11))},
		}},
		{"container/v1", 42, "/docker/ab12", false, cgroup.Stats{
			CPU:    cgroup.CPU{Limit: policy.Amount(500), EffectiveLimit: policy.Amount(500)},
			Memory: cgroup.Memory{Limit: policy.Amount(1 << 30), EffectiveLimit: policy.Amount(512 << 20)},
		}},
		{"container/v2", 42, "/nested", true, cgroup.Stats{
			CPU: cgroup.CPU{Limit: policy.Unlimited(), ParentLimit: policy.Amount(500), EffectiveLimit: policy.Amount(500)},
		}},
		{"container/v2", 43, "/../../elsewhere", true, cgroup.Stats{
			CPU: cgroup.CPU{Limit: policy.Amount(2000), EffectiveLimit: policy.Amount(2000)},
		}},
	}
	for _, test := range tests {
		t.Run(test.tree, func(t *testing.T) {
			name, below, _ := strings.Cut(test.tree, "/")
			g := find(t, filepath.Join(tree(t, name), below), test.pid)
			if g.Path != test.path || g.V2 != test.v2 {
				t.Errorf("found %s, v2 %t; want %s, v2 %t", g.Path, g.V2, test.path, test.v2)
			}
			if diff := cmp.Diff(test.want, read(t, g), quantities); diff != "" {
				t.Errorf("stats differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnreclaimable(t *testing.T) {
	m := cgroup.Memory{}
	if got := m.Unreclaimable(); got != nil {
		t.Errorf("nothing known: %d", *got)
	}
	m.Usage = new(int64(100))
	if got := m.Unreclaimable(); *got != 100 {
		t.Errorf("pages not known: %d, want all of 100", *got)
	}
	m.ActiveFile, m.InactiveFile, m.File = new(int64(10)), new(int64(20)), new(int64(60)) // 30 of tmpfs
	if got := m.Unreclaimable(); *got != 70 {
		t.Errorf("got %d, want 70", *got)
	}
}

func TestAtFindsTheSameGroup(t *testing.T) {
	for _, name := range []string{"v1", "v2", "hybrid"} {
		root := tree(t, name)
		want := find(t, root, 42)
		got, err := cgroup.At(root, want.Path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read(t, want), read(t, got), quantities); diff != "" {
			t.Errorf("%s: stats differ (-by pid +by path):\n%s", name, diff)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	tests := []struct {
		name, tree string
		pid        int
		gone       bool
		say        string
	}{
		{"no such process", "v2", 7, true, "process 7"},
		{"its v1 groups were removed", "hybrid", 44, true, "/gone was removed"},
		{"deleted", "container/v2", 44, true, "/nested was removed"},
		{"not to be seen from this container", "container/v1", 43, false, "--cgroupns=host"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name, below, _ := strings.Cut(test.tree, "/")
			_, err := cgroup.Find(filepath.Join(tree(t, name), below), test.pid)
			if err == nil || errors.Is(err, fs.ErrNotExist) != test.gone || !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v; want it gone: %t, and to say %q", err, test.gone, test.say)
			}
		})
	}
}

func TestGroupVanishes(t *testing.T) {
	for _, name := range []string{"v1", "v2"} {
		root := tree(t, name)
		g := find(t, root, 42)
		if err := os.RemoveAll(filepath.Join(root, "sys")); err != nil {
			t.Fatal(err)
		}
		s, err := g.Read()
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want fs.ErrNotExist", name, err)
		}
		if diff := cmp.Diff(cgroup.Stats{}, s, quantities); diff != "" {
			t.Errorf("%s: a sample of a group that is gone:\n%s", name, diff)
		}
	}
}

func TestGarbageNamesFileAndLineAndSparesTheRest(t *testing.T) {
	root := tree(t, "v2")
	g := find(t, root, 42)
	dir := filepath.Join(root, "sys/fs/cgroup/system.slice/docker-ab12.scope")
	faults := map[string]string{
		"memory.stat":    "anon 1\nfile lots\n",
		"cpu.max":        "100000\n",
		"cpu.pressure":   "some avg10=0.00\n",
		"memory.current": "-5\n",
		"io.stat":        "8:0 rbytes=x\n",
		"pids.max":       strings.Repeat("9", 5<<20),
	}
	for name, text := range faults {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := g.Read()
	for _, say := range []string{"memory.stat:2:", "cpu.max:1:", "cpu.pressure:1:", "memory.current:1:", "io.stat:1:", "pids.max: larger"} {
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("error does not say %q:\n%v", say, err)
		}
	}
	if s.CPU.Used == nil || s.Memory.Usage != nil || !s.CPU.Limit.IsUnset() {
		t.Errorf("want the good files read and the bad ones absent, got %+v", s)
	}
}

func TestReadsThisMachine(t *testing.T) {
	g, err := cgroup.Find("/", os.Getpid())
	if err != nil {
		t.Skipf("no control groups here: %v", err)
	}
	if _, err := g.Read(); err != nil {
		t.Error(err)
	}
	c, err := cgroup.HostCapacity("/")
	if err != nil {
		t.Fatal(err)
	}
	if c.MilliCPU() <= 0 || c.MemoryBytes <= 0 || len(c.Allowed) == 0 {
		t.Errorf("capacity %+v: want CPUs and memory", c)
	}
}
