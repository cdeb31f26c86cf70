package diagnosis

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/diagnose"
)

// ofProcess is the CPU use of the target's process as it tells it itself.
const ofProcess diagnose.Measure = "cores_of_process"

// The operations of a memory node that are other requests than spreads, and those that make or tidy files.
const (
	apiOperations      = "remember|recall|get|list|patch|delete|link|unlink|import|export"
	snapshotOperations = "snapshot|restore|checkpoint|compaction|eviction|learning"
)

// targetQuestions are asked about every target: $sel selects its series, $range is the stretch. One and
// the same expression serves a node, any Go program and whatever else has these metrics.
var targetQuestions = map[diagnose.Measure]string{
	ofProcess:                   `sum(rate(process_cpu_seconds_total{$sel}[$range]))`,
	diagnose.CoresLimit:         `min(min_over_time(engram_cpu_limit_cores{$sel}[$range]) or min_over_time(engramd_target_cpu_limit_cores{$sel}[$range]))`,
	diagnose.CPUUnlimited:       `min(min_over_time(engramd_target_cpu_unlimited{$sel}[$range]))`,
	diagnose.GOMAXPROCS:         `min(min_over_time(go_sched_gomaxprocs_threads{$sel}[$range]))`,
	diagnose.LockWaiters:        `max(rate(go_sync_mutex_wait_total_seconds_total{$sel}[$range]))`,
	diagnose.SchedLatency:       `histogram_quantile(0.99, sum by (le) (rate(go_sched_latencies_seconds_bucket{$sel}[$range])))`,
	diagnose.RunQueue:           `max(rate(engram_cpu_wait_seconds_total{$sel}[$range]))`,
	diagnose.GCShare:            `max(rate(go_cpu_classes_gc_total_cpu_seconds_total{$sel}[$range])) / max(rate(process_cpu_seconds_total{$sel}[$range]))`,
	diagnose.InFlight:           `sum(avg_over_time(engram_operations_in_flight{$sel}[$range]))`,
	diagnose.MemoryUse:          `max(max_over_time(engram_memory_pressure_ratio{$sel}[$range]))`,
	diagnose.AllocationFailures: `sum(rate(engram_allocation_failures_total{$sel}[$range]))`,
	diagnose.NUMALocal:          `min(min_over_time(engramd_target_numa_local_ratio{$sel}[$range]))`,
	diagnose.DiskIOPS:           `max(avg_over_time(engram_disk_iops_utilized_percent{$sel}[$range])) / 100`,
	diagnose.QueueDepth:         `max(avg_over_time(engram_spreading_queue_depth{$sel}[$range]))`,
	diagnose.SpreadingBusy:      `sum(avg_over_time(engram_workers_busy{$sel,pool="spreading"}[$range])) / sum(avg_over_time(engram_workers{$sel,pool="spreading"}[$range]))`,
	diagnose.ConsolidationBusy:  `sum(avg_over_time(engram_workers_busy{$sel,pool="consolidation"}[$range])) / sum(avg_over_time(engram_workers{$sel,pool="consolidation"}[$range]))`,
	diagnose.ConsolidationLag:   `max(max_over_time(engram_consolidation_lag_seconds{$sel}[$range]))`,
	diagnose.SpreadingWork:      work("spreading"),
	diagnose.ConsolidationWork:  work("consolidation"),
	diagnose.APIWork:            work(apiOperations),
	diagnose.SnapshotWork:       work(snapshotOperations),
	diagnose.Retransmits:        `sum(rate(engramd_target_tcp_retransmitted_total{$sel}[$range])) / sum(rate(engramd_target_tcp_sent_total{$sel}[$range]))`,
	diagnose.NetworkDrops:       `sum(rate(engramd_target_network_dropped_total{$sel}[$range]))`,
	diagnose.ListenOverflows:    `sum(rate(engramd_target_tcp_listen_overflows_total{$sel}[$range]))`,
}

// hostQuestions are asked where the target runs on this host.
var hostQuestions = map[diagnose.Measure]string{
	diagnose.HostCores:       `max(engramd_host_cpu_cores)`,
	diagnose.HostBusy:        `sum(rate(engramd_host_cpu_seconds_total{mode=~"user|system"}[$range])) / sum(rate(engramd_host_cpu_seconds_total[$range]))`,
	diagnose.HostIOWait:      `sum(rate(engramd_host_cpu_seconds_total{mode="iowait"}[$range])) / sum(rate(engramd_host_cpu_seconds_total[$range]))`,
	diagnose.HostIOStall:     `max(rate(engramd_host_pressure_seconds_total{resource="io",kind="some"}[$range]))`,
	diagnose.HostMemoryStall: `max(rate(engramd_host_pressure_seconds_total{resource="memory",kind="some"}[$range]))`,
	diagnose.DiskBusy:        `max(rate(engramd_host_disk_busy_seconds_total[$range]))`,
	diagnose.NUMANodes:       `count(engramd_host_numa_hit_total)`,
	diagnose.NUMAMiss:        `sum(rate(engramd_host_numa_other_node_total[$range])) / (sum(rate(engramd_host_numa_local_node_total[$range])) + sum(rate(engramd_host_numa_other_node_total[$range])))`,
	diagnose.NetworkUse:      `max(rate(engramd_host_network_bytes_total[$range]) / on (device) group_left engramd_host_network_speed_bytes)`,
}

// work is the time that operations were under way, a second. A node tells of no operation that never was: it
// is none where the node is read at all.
func work(operations string) string {
	return fmt.Sprintf(`sum(rate(engram_operation_duration_seconds_sum{$sel,operation=~%q}[$range])) or 0 * sum(avg_over_time(engram_operations_in_flight{$sel}[$range]))`, operations)
}

// cost is the CPU time of one operation over the range that ends so long ago.
func cost(ago string) string {
	return `(sum(rate(process_cpu_seconds_total{$sel}[$range]` + ago + `)) / sum(rate(engram_operation_duration_seconds_count{$sel,operation=~"spreading|` + apiOperations + `"}[$range]` + ago + `)))`
}

// firstTold is how many seconds ago the target told something first, within the range.
const firstTold = `time() - min(min_over_time(timestamp(up{$sel} == 1)[$range:$every]))`

// questions returns the expressions for a question.
func questions(q Question) map[diagnose.Measure]string {
	all := maps.Clone(targetQuestions)
	if q.Local {
		maps.Copy(all, hostQuestions)
	}
	if before := q.To.Sub(q.Change); !q.Change.IsZero() && before > 0 {
		all[diagnose.CostGrowth] = cost("") + " / " + cost(" offset "+seconds(before))
	}
	for m, expr := range all {
		all[m] = fill(expr, q)
	}
	return all
}

// fill writes the target and the range into an expression.
func fill(expr string, q Question) string {
	span := max(q.To.Sub(q.From), 3*q.Interval, time.Second)
	return strings.NewReplacer("$sel", "target="+strconv.Quote(q.Target), "$range", seconds(span), "$every", seconds(q.Interval)).Replace(expr)
}

// seconds writes a duration as PromQL takes it.
func seconds(d time.Duration) string {
	return policy.FormatDuration(max(d.Round(time.Second), time.Second))
}
