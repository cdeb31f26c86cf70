package cgroup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

func TestLimitsOfTheHostCount(t *testing.T) {
	host := cgroup.Capacity{Online: cgroup.Set{0, 1, 2, 3}, MemoryBytes: 8 << 30}
	tests := []struct {
		name        string
		stats       cgroup.Stats
		cpu, memory policy.Quantity
	}{
		{"unlimited is the host", cgroup.Stats{
			CPU:    cgroup.CPU{EffectiveLimit: policy.Unlimited()},
			Memory: cgroup.Memory{EffectiveLimit: policy.Unlimited()},
		}, policy.Amount(4000), policy.Amount(8 << 30)},
		{"quota", cgroup.Stats{
			CPU:    cgroup.CPU{EffectiveLimit: policy.Amount(1500)},
			Memory: cgroup.Memory{EffectiveLimit: policy.Amount(1 << 30)},
		}, policy.Amount(1500), policy.Amount(1 << 30)},
		{"cpu set below the quota", cgroup.Stats{
			CPU:    cgroup.CPU{EffectiveLimit: policy.Amount(1500)},
			Cpuset: cgroup.Cpuset{CPUs: cgroup.Set{3}},
		}, policy.Amount(1000), policy.Amount(8 << 30)},
		{"beyond the host", cgroup.Stats{
			CPU:    cgroup.CPU{EffectiveLimit: policy.Amount(64000)},
			Memory: cgroup.Memory{EffectiveLimit: policy.Amount(1 << 40)},
		}, policy.Amount(4000), policy.Amount(8 << 30)},
	}
	for _, test := range tests {
		if got := test.stats.CPULimit(host); got != test.cpu {
			t.Errorf("%s: cpu limit %v, want %v", test.name, got, test.cpu)
		}
		if got := test.stats.MemoryLimit(host); got != test.memory {
			t.Errorf("%s: memory limit %v, want %v", test.name, got, test.memory)
		}
	}
	if got := (cgroup.Stats{}).CPULimit(cgroup.Capacity{}); !got.IsUnset() {
		t.Errorf("nothing known: cpu limit %v, want unset", got)
	}
}

func TestHostCapacity(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("sys/devices/system/cpu/online", "0-3,6\n")
	write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t1-2\n")
	write("proc/meminfo", "MemTotal:       2048 kB\nMemFree:  1 kB\n")
	c, err := cgroup.HostCapacity(root)
	if err != nil {
		t.Fatal(err)
	}
	if c.MilliCPU() != 5000 || c.Allowed.String() != "1-2" || c.MemoryBytes != 2<<20 {
		t.Errorf("got %+v", c)
	}
	write("proc/meminfo", "MemTotal: much\n")
	if _, err := cgroup.HostCapacity(root); err == nil {
		t.Error("a size that is no number was taken")
	}
}
