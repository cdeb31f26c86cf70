package service

import (
	"net/http"
	"runtime/metrics"
	"time"
)

// metrics serves /metrics, or misbehaves on command.
func (s *Service) metrics(w http.ResponseWriter, r *http.Request) {
	_, fault, _, _ := s.faults.now()
	e := &exposition{nan: fault == "nan"}
	switch fault {
	case "500":
		problem(w, http.StatusInternalServerError, "metrics fail on command")
		return
	case "hang":
		s.hang(r.Context())
		return
	case "garbage":
		s.endless(r.Context(), w, noise)
		return
	case "huge":
		s.endless(r.Context(), w, series)
		return
	case "empty":
	default:
		s.writeLoad(e)
		s.writeMemory(e)
		s.writeRuntime(e)
		s.ledger.write(e)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = e.WriteTo(w) // a scraper that is gone has nobody left to tell
}

// writeLoad writes the guide's CPU and latency metrics.
func (s *Service) writeLoad(e *exposition) {
	limit := effectiveCores()
	e.single("engram_cpu_limit_cores", "gauge", "CPU limit in cores: the cgroup's, else the host's CPUs.", limit)
	if cores, ok := s.usage.cores(); ok {
		e.single("engram_cpu_utilization_percent", "gauge", "CPU use in per cent of the limit, mean of two seconds.",
			100*cores/limit, "core", "all")
	}
	e.single("engram_spreading_queue_depth", "gauge", "Requests that wait for a worker.", float64(s.queue.depth()))
	s.writeRecent(e)
	e.family("engram_operations_in_flight", "gauge", "Requests that were admitted and not yet answered.")
	for _, kind := range []string{"read", "write"} {
		e.sample("engram_operations_in_flight", float64(s.maintenance.running(kind)), "kind", kind)
	}
	e.single("engram_maintenance", "gauge", "1 while new writes are refused.", number(s.maintenance.get().Enabled))
	if at := s.backup.Load(); at != 0 {
		e.single("engram_snapshot_last_success_timestamp_seconds", "gauge", "When the last backup ended.", float64(at))
	}
}

// writeRecent writes what the windows tell. An operation without recent requests has no P99.
func (s *Service) writeRecent(e *exposition) {
	p99s, requests, failures := map[string]float64{}, 0, 0
	for name, w := range s.windows {
		if p99, n, failed := w.summary(time.Now()); n > 0 {
			p99s[name] = float64(p99) / 1e6
			requests, failures = requests+n, failures+failed
		}
	}
	perLabel(e, "engram_p99_latency_ms", "gauge", "99th percentile of recent requests, the wait included.", "operation", p99s)
	if requests > 0 {
		e.single("engram_error_ratio", "gauge", "Share of recent requests that failed; refused in maintenance is not failed.",
			float64(failures)/float64(requests))
	}
}

// writeMemory writes the guide's memory metrics. Tiers are what /memory holds; without any they are absent.
func (s *Service) writeMemory(e *exposition) {
	if limit := effectiveMemory(); limit > 0 {
		e.single("engram_memory_limit_bytes", "gauge", "Memory limit: the cgroup's, else the host's memory.", float64(limit))
	}
	tiers, failures := s.hoard.held()
	perLabel(e, "engram_memory_usage_bytes", "gauge", "Memory held by tier.", "tier", tiers)
	if total := tiers["hot"] + tiers["warm"] + tiers["cold"]; total > 0 {
		e.single("engram_hot_tier_ratio", "gauge", "Share of the held memory that is hot.", float64(tiers["hot"])/float64(total))
	}
	e.single("engram_allocation_failures_total", "counter", "Allocations that the kernel refused.", float64(failures))
	e.single("process_resident_memory_bytes", "gauge", "Resident memory of the process.", float64(residentBytes()))
}

// writeRuntime writes what the Go runtime and the process tell, under their usual names.
func (s *Service) writeRuntime(e *exposition) {
	samples := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}, {Name: "/sched/gomaxprocs:threads"}}
	metrics.Read(samples)
	e.single("go_sync_mutex_wait_total_seconds_total", "counter", "Time that goroutines waited for locks.", samples[0].Value.Float64())
	e.single("go_sched_gomaxprocs_threads", "gauge", "GOMAXPROCS.", float64(samples[1].Value.Uint64()))
	e.single("process_cpu_seconds_total", "counter", "CPU time of the process.", processTime().Seconds())
	e.single("process_start_time_seconds", "gauge", "When the process started.", float64(s.started.UnixMilli())/1000)
	e.single("workload_lock_waiters", "gauge", "Requests at the lock.", float64(s.lockWaiters.Load()))
	e.single("workload_spinning_threads", "gauge", "Threads that spin on command.", float64(s.spinner.threads()))
	e.single("workload_starts", "gauge", "Starts on this data directory; 0 without one.", float64(s.starts.Load()))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
