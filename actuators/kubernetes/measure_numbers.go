package kubernetes

import (
	"math"
	"time"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// A field is one number of a container.
type field int

const (
	cpuUsed field = iota
	cpuUser
	cpuSystem
	cpuPeriods
	cpuThrottledPeriods
	cpuThrottled
	cpuQuota
	cpuPeriod
	memoryUsage
	memoryWorkingSet
	memoryAnon
	memoryCache
	memoryKernel
	memoryActiveFile
	memoryInactiveFile
	memorySwap
	memoryHits
	memoryOOM
	memoryLimit
	ioRead
	ioWritten
	ioReads
	ioWrites
	threads
	cpuWaiting
	cpuStalled
	memoryWaiting
	memoryStalled
	ioWaiting
	ioStalled
	fields
)

// metricNames are the metrics of /metrics/cadvisor and /metrics/resource that are read. What they have
// several series of for one container (processors, devices) is summed.
var metricNames = map[string]field{
	"container_cpu_usage_seconds_total":               cpuUsed,
	"container_cpu_user_seconds_total":                cpuUser,
	"container_cpu_system_seconds_total":              cpuSystem,
	"container_cpu_cfs_periods_total":                 cpuPeriods,
	"container_cpu_cfs_throttled_periods_total":       cpuThrottledPeriods,
	"container_cpu_cfs_throttled_seconds_total":       cpuThrottled,
	"container_spec_cpu_quota":                        cpuQuota,
	"container_spec_cpu_period":                       cpuPeriod,
	"container_memory_usage_bytes":                    memoryUsage,
	"container_memory_working_set_bytes":              memoryWorkingSet,
	"container_memory_rss":                            memoryAnon,
	"container_memory_cache":                          memoryCache,
	"container_memory_kernel_usage":                   memoryKernel,
	"container_memory_total_active_file_bytes":        memoryActiveFile,
	"container_memory_total_inactive_file_bytes":      memoryInactiveFile,
	"container_memory_swap":                           memorySwap,
	"container_memory_failcnt":                        memoryHits,
	"container_oom_events_total":                      memoryOOM,
	"container_spec_memory_limit_bytes":               memoryLimit,
	"container_fs_reads_bytes_total":                  ioRead,
	"container_fs_writes_bytes_total":                 ioWritten,
	"container_fs_reads_total":                        ioReads,
	"container_fs_writes_total":                       ioWrites,
	"container_threads":                               threads,
	"container_pressure_cpu_waiting_seconds_total":    cpuWaiting,
	"container_pressure_cpu_stalled_seconds_total":    cpuStalled,
	"container_pressure_memory_waiting_seconds_total": memoryWaiting,
	"container_pressure_memory_stalled_seconds_total": memoryStalled,
	"container_pressure_io_waiting_seconds_total":     ioWaiting,
	"container_pressure_io_stalled_seconds_total":     ioStalled,
}

// numbers are those of one container, and at which time the newest was taken.
type numbers struct {
	id    string // the runtime's; "" on /metrics/resource
	at    int64
	value [fields]float64
	known [fields]bool
}

// fill adds what is not known yet.
func (n *numbers) fill(from numbers) {
	for f := range fields {
		if !n.known[f] && from.known[f] {
			n.value[f], n.known[f] = from.value[f], true
		}
	}
}

// settle forgets what cannot be: no container that runs uses no memory, so it has not been looked at.
func (n *numbers) settle() {
	for _, f := range []field{memoryUsage, memoryWorkingSet} {
		if n.known[f] && n.value[f] == 0 {
			for f := memoryUsage; f <= memoryOOM; f++ {
				n.known[f] = false
			}
		}
	}
}

// stats is what is known, in the form in which a cgroup on this host is read.
func (n *numbers) stats() cgroup.Stats {
	var s cgroup.Stats
	s.CPU = cgroup.CPU{
		Used: n.duration(cpuUsed), User: n.duration(cpuUser), System: n.duration(cpuSystem),
		Periods: n.count(cpuPeriods), ThrottledPeriods: n.count(cpuThrottledPeriods), Throttled: n.duration(cpuThrottled),
		Limit: n.cpuLimit(),
	}
	s.Memory = cgroup.Memory{
		Usage: n.count(memoryUsage), WorkingSet: n.count(memoryWorkingSet),
		Anon: n.count(memoryAnon), File: n.count(memoryCache), Kernel: n.count(memoryKernel),
		ActiveFile: n.count(memoryActiveFile), InactiveFile: n.count(memoryInactiveFile),
		Swap: n.count(memorySwap), LimitHits: n.count(memoryHits), OOMKills: n.count(memoryOOM),
		Limit: n.memoryLimit(),
	}
	s.Pressure = cgroup.Pressure{
		CPU:    cgroup.Stall{Some: n.duration(cpuWaiting), Full: n.duration(cpuStalled)},
		Memory: cgroup.Stall{Some: n.duration(memoryWaiting), Full: n.duration(memoryStalled)},
		IO:     cgroup.Stall{Some: n.duration(ioWaiting), Full: n.duration(ioStalled)},
	}
	s.IO = cgroup.IO{ReadBytes: n.count(ioRead), WriteBytes: n.count(ioWritten), ReadOps: n.count(ioReads), WriteOps: n.count(ioWrites)}
	s.PIDs.Current = n.count(threads)
	return s
}

func (n *numbers) count(f field) *int64 {
	v := n.value[f]
	if !n.known[f] || v < 0 || v >= math.MaxInt64 {
		return nil
	}
	whole := int64(v)
	return &whole
}

func (n *numbers) duration(f field) *time.Duration {
	v := n.value[f] * float64(time.Second)
	if !n.known[f] || v < 0 || v >= math.MaxInt64 {
		return nil
	}
	d := time.Duration(v)
	return &d
}

// cpuLimit is the quota. A kubelet that shows none may know of none or not look, so that is not
// unlimited.
func (n *numbers) cpuLimit() policy.Quantity {
	quota, period := n.value[cpuQuota], n.value[cpuPeriod]
	if !n.known[cpuQuota] || quota <= 0 || period <= 0 || quota/period > 1e6 {
		return policy.Quantity{}
	}
	return policy.Amount(int64(math.Round(quota * 1000 / period)))
}

// memoryLimit is the limit; the kubelet writes none as 0.
func (n *numbers) memoryLimit() policy.Quantity {
	limit := n.count(memoryLimit)
	switch {
	case limit == nil:
		return policy.Quantity{}
	case *limit == 0:
		return policy.Unlimited()
	}
	return policy.Amount(*limit)
}
