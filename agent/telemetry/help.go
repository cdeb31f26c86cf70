package telemetry

import (
	"cmp"
	"strings"
)

// helpOf is what a metric of the collectors says, "" if the name is not known.
func helpOf(name string) string {
	if s, ok := strings.CutPrefix(name, "engramd_target_"); ok {
		return cmp.Or(targetHelp[s], gaugeHelp[s])
	}
	return hostHelp[name]
}

var targetHelp = map[string]string{
	"up":                                 "1 if the target could be measured at this interval.",
	"info":                               "1; its labels say which part it is, and on which CPUs and memory nodes it may run.",
	"cpu_seconds_total":                  "CPU time used.",
	"cpu_user_seconds_total":             "CPU time used in user mode.",
	"cpu_system_seconds_total":           "CPU time used in the kernel.",
	"cpu_limit_cores":                    "Cores that the part can really use: the smallest of its quotas, its CPU set and the host.",
	"cpu_unlimited":                      "1 if no CPU quota applies, so that cpu_limit_cores is the CPU set or the host.",
	"cpu_throttled_seconds_total":        "Time for which tasks were stopped at the CPU quota, summed over processors.",
	"cpu_periods_total":                  "Enforcement periods of the CPU quota in which the part ran.",
	"cpu_throttled_periods_total":        "Enforcement periods in which the part was stopped at its CPU quota.",
	"cpu_pressure_seconds_total":         "Time in which some task waited for a CPU.",
	"cpu_pressure_ratio":                 "Share of the time since the last reading in which some task waited for a CPU.",
	"cpuset_cpus":                        "CPUs on which the part may run.",
	"cpuset_mems":                        "Memory nodes that the part may use.",
	"numa_memory_bytes":                  "Anonymous memory and page cache on one NUMA node of the host; absent on a host with one.",
	"numa_local_ratio":                   "Share of that memory next to the processors on which the part may run; absent where these are on all nodes.",
	"memory_usage_bytes":                 "Memory charged to the part, page cache included.",
	"memory_working_set_bytes":           "Memory usage less inactive file pages, which the kernel can take back at once.",
	"memory_anon_bytes":                  "Anonymous memory.",
	"memory_file_bytes":                  "Page cache.",
	"memory_kernel_bytes":                "Kernel memory.",
	"memory_swap_bytes":                  "Swap used.",
	"memory_limit_bytes":                 "Memory that the part can really use: the smallest of its limits and the host.",
	"memory_unlimited":                   "1 if no memory limit applies, so that memory_limit_bytes is the host.",
	"memory_high_bytes":                  "Memory above which the kernel slows the part down and reclaims.",
	"memory_limit_hits_total":            "How often the memory limit was met.",
	"memory_refaults_total":              "Pages read again after they had been reclaimed.",
	"memory_pressure_seconds_total":      "Time in which all tasks waited for memory.",
	"memory_pressure_some_seconds_total": "Time in which some task waited for memory.",
	"memory_pressure_ratio":              "Share of the time since the last reading in which all tasks waited for memory.",
	"oom_kills_total":                    "Processes killed for want of memory.",
	"io_read_bytes_total":                "Bytes read from block devices.",
	"io_written_bytes_total":             "Bytes written to block devices.",
	"io_reads_total":                     "Reads from block devices.",
	"io_writes_total":                    "Writes to block devices.",
	"io_pressure_seconds_total":          "Time in which all tasks waited for I/O.",
	"io_pressure_some_seconds_total":     "Time in which some task waited for I/O.",
	"thread_run_seconds_total":           "Time that the threads of the part's process and its children ran.",
	"thread_wait_seconds_total":          "Time that they were ready to run and waited for a core.",
	"thread_busiest_ratio":               "Share of the time since the last reading that the busiest of them ran.",
	"threads":                            "Threads of the part's process and its children.",
	"threads_blocked":                    "Those of them in uninterruptible sleep, as a rule for a disk, at the time of the reading.",
	"network_dropped_total":              "Packets dropped on the part's network devices but the loopback.",
	"tcp_sent_total":                     "TCP segments sent in the part's network namespace.",
	"tcp_retransmitted_total":            "TCP segments sent again.",
	"tcp_listen_overflows_total":         "Connections that were dropped because nobody took them in time.",
	"pids":                               "Tasks.",
	"pids_limit":                         "Tasks that the part may have.",
	"restarts_total":                     "How often the platform restarted the part.",
	"start_time_seconds":                 "When the part was started, as Unix time.",
	"healthy":                            "1 if the platform's health check says that the part is healthy; absent without one.",
}

var hostHelp = map[string]string{
	"engram_host_cpu_utilization_percent":   "Use of one of the host's cores since the last reading.",
	"engramd_host_cpu_cores":                "The host's cores.",
	"engramd_host_cpu_seconds_total":        "CPU time of all of the host's cores, by mode.",
	"engramd_host_memory_total_bytes":       "The host's memory.",
	"engramd_host_memory_available_bytes":   "Memory that can be had without swapping.",
	"engramd_host_memory_cached_bytes":      "Page cache.",
	"engramd_host_swap_total_bytes":         "The host's swap.",
	"engramd_host_swap_free_bytes":          "Swap that is not used.",
	"engramd_host_load1":                    "Load, averaged over 1 minute.",
	"engramd_host_load5":                    "Load, averaged over 5 minutes.",
	"engramd_host_load15":                   "Load, averaged over 15 minutes.",
	"engramd_host_pressure_seconds_total":   "Time in which some or all tasks of the host waited for a resource.",
	"engramd_host_disk_read_bytes_total":    "Bytes read from a disk.",
	"engramd_host_disk_written_bytes_total": "Bytes written to a disk.",
	"engramd_host_disk_reads_total":         "Reads from a disk.",
	"engramd_host_disk_writes_total":        "Writes to a disk.",
	"engramd_host_disk_busy_seconds_total":  "Time in which a disk was busy.",
	"engramd_host_network_bytes_total":      "Bytes received and sent by a network device of the machine.",
	"engramd_host_network_speed_bytes":      "Bytes a second that the device can carry each way.",
	"engramd_host_numa_hit_total":           "Pages given out on the NUMA node that was asked for.",
	"engramd_host_numa_miss_total":          "Pages given out on a NUMA node because the one that was asked for was full.",
	"engramd_host_numa_foreign_total":       "Pages that were asked for on a NUMA node and given out on another.",
	"engramd_host_numa_local_node_total":    "Pages given out on a NUMA node to a processor of it.",
	"engramd_host_numa_other_node_total":    "Pages given out on a NUMA node to a processor of another one.",
	"engramd_host_data_dir_size_bytes":      "Size of the file system that holds the data directory.",
	"engramd_host_data_dir_free_bytes":      "Space left on the file system that holds the data directory.",
}
