package systemd_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// legacy turns the model's host into one with cgroup v1.
func legacy(m *model) {
	os.Remove(m.at("sys/fs/cgroup/cgroup.controllers"))
	m.write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
	cpu, memory := "sys/fs/cgroup/cpu,cpuacct/system.slice/worker.service/", "sys/fs/cgroup/memory/system.slice/worker.service/"
	for name, text := range map[string]string{
		cpu + "cpu.cfs_quota_us": "50000\n", cpu + "cpu.cfs_period_us": "100000\n",
		memory + "memory.limit_in_bytes": "134217728\n", memory + "memory.usage_in_bytes": "104857600\n",
		memory + "memory.stat": "total_rss 52428800\ntotal_cache 52428800\ntotal_active_file 0\ntotal_inactive_file 52428800\nhierarchical_memory_limit 134217728\n",
	} {
		m.write(name, text)
	}
}

// TestLegacy wants only what systemd can do on cgroup v1: quota and MemoryMax, and no limit below use.
func TestLegacy(t *testing.T) {
	m := newModel(t)
	m.add(worker, "[Service]\nCPUQuota=50%\nMemoryMax=128M\n", nil)
	legacy(m)
	d, target := m.driver(), m.target(worker)
	st, err := d.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	exact := cmp.Comparer(func(a, b policy.Quantity) bool { return a == b })
	want := policy.Size{policy.CPU: policy.Amount(500), policy.Memory: policy.Amount(128 * mib), policy.CPUs: policy.Unlimited()}
	if diff := cmp.Diff(want, st.Parts[0].Effective, exact); diff != "" {
		t.Errorf("effective (-want +got):\n%s", diff)
	}
	if _, err := d.Plan(target, st, policy.Size{policy.CPUs: policy.Set("0")}); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "unified_cgroup_hierarchy") {
		t.Errorf("pinning: %v", err)
	}
	p, err := d.Plan(target, st, policy.Size{policy.Memory: policy.Amount(80 * mib)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Do(t.Context(), target, p.Steps[0]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"set MemoryMax=83886080"}, m.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	p, err = d.Plan(target, st, policy.Size{policy.Memory: policy.Amount(52 * mib)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Do(t.Context(), target, p.Steps[0]); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("a limit below use: %v", err)
	}
}
