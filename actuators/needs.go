package actuators

import (
	"context"
	"time"

	"github.com/engramd/engramd/actuators/process"
	"github.com/engramd/engramd/policy"
)

// A Journal keeps actions. Put returns once the record is on disk.
type Journal interface {
	Put(a Action) error
}

// A Querier answers PromQL: for drain, backup evidence, require, p99 and error rate.
type Querier interface {
	// Read evaluates expr at the instant at; what cannot be known says why.
	Read(ctx context.Context, expr string, at time.Time) policy.Reading
	// Mean averages expr over (from, to], or is unknown.
	Mean(ctx context.Context, expr string, from, to time.Time) policy.Reading
}

// A Meter answers from the collectors, never through PromQL: what a target used.
type Meter interface {
	// Used reports a target's use over (from, to]. What was not measured is absent.
	Used(target string, from, to time.Time) Usage
	// Sample measures the target now.
	Sample(ctx context.Context, target string) (Usage, error)
}

// An EventSink takes events. Emit never blocks for long and never fails: what cannot be delivered is
// counted and logged by the sink.
type EventSink interface {
	Emit(e policy.Event)
}

// Usage is what a target (the worst of its parts) used over a stretch of time. A nil field was not
// measured: absent is not zero.
type Usage struct {
	Cores          *float64 `json:"cores,omitempty"`           // mean CPU use
	CPULimit       *float64 `json:"cpu_limit,omitempty"`       // effective limit in cores, nil if unlimited
	ThrottledRatio *float64 `json:"throttled_ratio,omitempty"` // throttled periods / periods
	ThrottledTime  *float64 `json:"throttled_time,omitempty"`  // throttled seconds a second
	CPUStall       *float64 `json:"cpu_stall,omitempty"`       // PSI some, as a ratio of time
	MemoryBytes    *int64   `json:"memory_bytes,omitempty"`    // largest usage
	WorkingSet     *int64   `json:"working_set,omitempty"`     // largest working set: usage less inactive file
	AnonBytes      *int64   `json:"anon_bytes,omitempty"`      // largest anonymous memory
	MemoryLimit    *int64   `json:"memory_limit,omitempty"`    // effective limit, nil if unlimited
	MemoryStall    *float64 `json:"memory_stall,omitempty"`    // PSI full, as a ratio of time
	IOStall        *float64 `json:"io_stall,omitempty"`        // PSI some, as a ratio of time
	Refaults       *float64 `json:"refaults,omitempty"`        // workingset refaults a second
	ReclaimStalls  *float64 `json:"reclaim_stalls,omitempty"`  // times the limit was hit, a second (v1 failcnt, v2 memory.events max+high)
	OOMKills       *int64   `json:"oom_kills,omitempty"`       // during the stretch
	Restarts       *int64   `json:"restarts,omitempty"`        // during the stretch
	ThreadCores    *float64 `json:"thread_cores,omitempty"`    // mean CPU use of its threads, without others of its control group
	RunQueue       *float64 `json:"run_queue,omitempty"`       // mean of its threads that were ready and waited for a core
	BusiestThread  *float64 `json:"busiest_thread,omitempty"`  // share of the time that the busiest thread ran, mean over the samples
	BlockedThreads *float64 `json:"blocked_threads,omitempty"` // mean of its threads in uninterruptible sleep, as sampled
	Samples        int      `json:"samples"`                   // how many samples the stretch held
	// Runtime is what runs in the target now, nil if that is not on this host.
	Runtime *process.Runtime `json:"runtime,omitempty"`
}

// InUse is the memory that a target cannot do without: page cache can be reclaimed, but neither the
// working set nor anonymous memory.
func (u Usage) InUse() (int64, bool) {
	switch {
	case u.WorkingSet != nil && u.AnonBytes != nil:
		return max(*u.WorkingSet, *u.AnonBytes), true
	case u.WorkingSet != nil:
		return *u.WorkingSet, true
	case u.MemoryBytes != nil: // more than enough
		return *u.MemoryBytes, true
	}
	return 0, false
}
