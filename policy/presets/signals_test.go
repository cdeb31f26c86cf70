package presets_test

import (
	"context"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy/presets"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// The node's own metrics, as every target with a node.url has them.
const node = `  engram_p99_latency_ms{target="engram",operation="spreading"} 7x20
  engram_p99_latency_ms{target="engram",operation="recall"} 900x20
  engram_cpu_utilization_percent{target="engram",core="all"} 33x20
  engram_memory_usage_bytes{target="engram",tier="hot"} 200x20
  engram_memory_usage_bytes{target="engram",tier="warm"} 100x20
  engram_memory_limit_bytes{target="engram"} 1000x20
  engram_hot_tier_ratio{target="engram"} 0.08x20
  engram_tier_memories{target="engram",tier="hot"} 80x20
  engram_tier_memories{target="engram",tier="warm"} 320x20
  engram_tier_memories{target="engram",tier="cold"} 600x20
  engram_eviction_threshold{target="engram",tier="hot"} 0.3x20
  engram_eviction_threshold{target="engram",tier="warm"} 0.1x20
  engram_storage_usage_bytes{target="engram",tier="warm"} 100x20
  engram_storage_usage_bytes{target="engram",tier="cold"} 300x20
  engram_storage_limit_bytes{target="engram"} 1000x20
  engram_wal_size_bytes{target="engram"} 64x20
  engram_disk_iops_utilized_percent{target="engram"} 12x20
  engram_snapshot_count{target="engram"} 6x20
  engram_compaction_pending_segments{target="engram"} 2x20
  engram_spreading_queue_depth{target="engram"} 0+10x20
  engram_workers{target="engram",pool="spreading"} 4x20
  engram_workers{target="engram",pool="consolidation"} 2x20
  engram_workers_busy{target="engram",pool="spreading"} 1x20
  engram_workers_busy{target="engram",pool="consolidation"} 2x20
  engram_consolidation_lag_seconds{target="engram"} 0+15x20
  engram_cpu_utilization_percent{target="other",core="all"} 99x20
`

// What the collectors add where the target's cgroups are on this host: two cores, one used; half of
// the memory anonymous or the kernel's.
const container = `  engramd_target_cpu_seconds_total{target="engram"} 0+15x20
  engramd_target_cpu_limit_cores{target="engram"} 2x20
  engramd_target_memory_anon_bytes{target="engram"} 450x20
  engramd_target_memory_kernel_bytes{target="engram"} 50x20
  engramd_target_memory_limit_bytes{target="engram"} 1000x20
`

// Two pods, one of which is nearly at its limits, and no figure for the kernel's memory.
const pods = `  engramd_target_cpu_seconds_total{target="engram",pod="a"} 0+3x20
  engramd_target_cpu_seconds_total{target="engram",pod="b"} 0+27x20
  engramd_target_cpu_limit_cores{target="engram",pod="a"} 2x20
  engramd_target_cpu_limit_cores{target="engram",pod="b"} 2x20
  engramd_target_memory_anon_bytes{target="engram",pod="a"} 100x20
  engramd_target_memory_anon_bytes{target="engram",pod="b"} 800x20
  engramd_target_memory_limit_bytes{target="engram",pod="a"} 1000x20
  engramd_target_memory_limit_bytes{target="engram",pod="b"} 1000x20
`

// TestSignals evaluates every expression of the presets as Prometheus does.
func TestSignals(t *testing.T) {
	queue := map[string]float64{"queue": 145, "busy": 25, "workers": 4, "lag": 240, "segments": 2, "consolidators": 2, "node_cpu": 33}
	storage := map[string]float64{"disk": 40, "wal": 64, "iops": 12, "snapshots": 6, "backlog": 2, "tomorrow": 40, "days_left": 3650}
	with := func(more map[string]float64) map[string]float64 {
		all := map[string]float64{"p99": 7, "hot": 8, "cold": 75, "warm": 32, "memories": 1000, "threshold": 0.3}
		maps.Copy(all, queue)
		for _, m := range []map[string]float64{storage, more} {
			maps.Copy(all, m)
		}
		return all
	}
	for name, c := range map[string]struct {
		series string
		want   map[string]float64
	}{
		"a node only":         {node, with(map[string]float64{"cpu": 33, "pressure": 30})},
		"a container only":    {container, map[string]float64{"cpu": 50, "pressure": 50}},
		"a container's node":  {node + container, with(map[string]float64{"cpu": 50, "pressure": 50})},
		"two pods and a node": {node + pods, with(map[string]float64{"cpu": 90, "pressure": 80})},
		"an empty node": {`  engram_storage_usage_bytes{target="engram",tier="cold"} 0x20
  engram_storage_usage_bytes{target="engram",tier="warm"} 0x20
  engram_storage_limit_bytes{target="engram"} 1000x20
  engram_hot_tier_ratio{target="engram"} 0x20
`, map[string]float64{"cold": 0, "hot": 0, "disk": 0, "tomorrow": 0, "days_left": 3650}},
		"a node that fills its disk": {`  engram_storage_usage_bytes{target="engram",tier="cold"} 0+1000000x20
  engram_storage_usage_bytes{target="engram",tier="warm"} 0+1000000x20
  engram_storage_limit_bytes{target="engram"} 100000000x20
`, map[string]float64{"cold": 50, "disk": 32, "tomorrow": 100 * (32 + 11520) / 100, "days_left": 68.0 / 2 * 15 / 86400}},
		"a volume, and its node": {node + `  engramd_target_storage_used_bytes{target="engram"} 0+1000000x20
  engramd_target_storage_available_bytes{target="engram"} 100000000-1000000x20
`, with(map[string]float64{"cpu": 33, "pressure": 30, "disk": 16, "tomorrow": 100 * (16 + 5760) / 100, "days_left": 84.0 * 15 / 86400})},
		"a volume that empties": {`  engramd_target_storage_used_bytes{target="engram"} 50000000-1000000x20
  engramd_target_storage_available_bytes{target="engram"} 50000000+1000000x20
`, map[string]float64{"disk": 34, "tomorrow": 34 - 5760, "days_left": 3650}},
		"a host with two nodes": {`  engramd_host_numa_local_node_total{node="0"} 0+900x20
  engramd_host_numa_local_node_total{node="1"} 0+300x20
  engramd_host_numa_other_node_total{node="0"} 0+200x20
  engramd_host_numa_other_node_total{node="1"} 0+100x20
  engramd_target_numa_memory_bytes{target="engram",node="0"} 600x20
  engramd_target_numa_memory_bytes{target="engram",node="1"} 200x20
`, map[string]float64{"remote": 20, "spread": 25}},
		"a host with one node": {`  engramd_host_numa_local_node_total{node="0"} 0+900x20
  engramd_host_numa_other_node_total{node="0"} 0x20
  engramd_target_numa_local_ratio{target="engram"} 1x20
`, map[string]float64{"remote": 0}},
		"nothing": {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := evaluate(t, c.series)
			for signal, v := range got {
				if want, ok := c.want[signal]; !ok || math.Abs(v-want) > 1e-6 {
					t.Errorf("%s = %v, want %v (%v)", signal, v, want, ok)
				}
			}
			for signal := range c.want {
				if _, ok := got[signal]; !ok {
					t.Errorf("%s has no result", signal)
				}
			}
		})
	}
}

// evaluate returns the value of every signal that has exactly one.
func evaluate(t *testing.T, series string) map[string]float64 {
	t.Helper()
	store := promqltest.LoadedStorage(t, "load 15s\n"+strings.ReplaceAll(series, "\n\n", "\n"))
	t.Cleanup(func() { store.Close() })
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10000, Timeout: 10 * time.Second, Parser: parser.NewParser(parser.Options{})})
	values := map[string]float64{}
	for _, preset := range presets.Names() {
		for _, p := range load(t, preset) {
			for signal, expr := range p.Matrix.Signals {
				expr = strings.ReplaceAll(expr, "$target", "engram")
				q, err := engine.NewInstantQuery(context.Background(), store, nil, expr, time.Unix(0, 0).Add(4*time.Minute))
				if err != nil {
					t.Fatalf("%s: %v", expr, err)
				}
				v, err := q.Exec(t.Context()).Vector()
				if err != nil || len(v) > 1 {
					t.Fatalf("%s: %v, %v", expr, v, err)
				}
				if len(v) == 1 {
					values[signal] = v[0].F
				}
				q.Close()
			}
		}
	}
	return values
}
