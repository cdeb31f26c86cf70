package telemetry_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/agent/telemetry"
)

// twoNodes makes of m a host with two nodes, 0-3 and 4-7.
func (m *machine) twoNodes() {
	for id, cpus := range []string{"0-3", "4-7"} {
		dir := fmt.Sprintf("sys/devices/system/node/node%d/", id)
		m.write(dir+"cpulist", cpus+"\n")
		m.write(dir+"meminfo", fmt.Sprintf("Node %d MemTotal:       4194304 kB\n", id))
		m.write(dir+"numastat", fmt.Sprintf("numa_hit %d\nnuma_miss 5\nnuma_foreign 7\ninterleave_hit 3\nlocal_node 90\nother_node 10\n", 100+id))
	}
	m.write("sys/devices/system/cpu/online", "0-7\n")
}

func TestWhereMemoryLies(t *testing.T) {
	memory := "anon N0=3000 N1=1000\nfile N0=0 N1=6000\nkernel_stack N0=77 N1=77\n"
	for _, test := range []struct {
		name, cpus, numa string
		want             map[string]float64
	}{
		{"on one node", "4-5", memory, map[string]float64{
			`{__name__="engramd_target_numa_memory_bytes", node="0", target="web"}`: 3000,
			`{__name__="engramd_target_numa_memory_bytes", node="1", target="web"}`: 7000,
			`{__name__="engramd_target_numa_local_ratio", target="web"}`:            0.7,
		}},
		{"on all nodes nobody knows", "0-7", memory, map[string]float64{
			`{__name__="engramd_target_numa_memory_bytes", node="0", target="web"}`: 3000,
			`{__name__="engramd_target_numa_memory_bytes", node="1", target="web"}`: 7000,
		}},
		{"no memory has no ratio", "4-5", "anon N0=0 N1=0\n", map[string]float64{
			`{__name__="engramd_target_numa_memory_bytes", node="0", target="web"}`: 0,
			`{__name__="engramd_target_numa_memory_bytes", node="1", target="web"}`: 0,
		}},
		{"not shown", "4-5", "", map[string]float64{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t)
				m.twoNodes()
				m.write(scope+"cpuset.cpus.effective", test.cpus+"\n")
				if test.numa != "" {
					m.write(scope+"memory.numa_stat", test.numa)
				}
				tel := open(t, telemetry.Options{Root: m.root, Config: telemetry.Config{Interval: interval,
					Targets: []telemetry.Target{{Name: "web", Observe: m.observe}}}})
				run(t, tel)
				time.Sleep(interval + time.Second)
				synctest.Wait()
				if d := cmp.Diff(test.want, now(t, tel, `{__name__=~"engramd_target_numa_.*"}`)); d != "" {
					t.Error(d)
				}
				got := now(t, tel, `sum by (node) (engramd_host_numa_other_node_total) / sum by (node) (engramd_host_numa_local_node_total + engramd_host_numa_other_node_total)`)
				if d := cmp.Diff(map[string]float64{`{node="0"}`: 0.1, `{node="1"}`: 0.1}, got); d != "" {
					t.Error(d)
				}
				if got := now(t, tel, `engramd_host_numa_hit_total{node="1"}`); len(got) != 1 {
					t.Errorf("hits of node 1: %v", got)
				}
			})
		})
	}
}
