package actuators

import (
	"context"
	"time"

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
	Cores          *float64 // mean CPU use
	CPULimit       *float64 // effective limit in cores, nil if unlimited
	ThrottledRatio *float64 // throttled periods / periods
	CPUStall       *float64 // PSI some, as a ratio of time
	MemoryBytes    *int64   // largest usage
	WorkingSet     *int64   // largest working set: usage less inactive file
	AnonBytes      *int64   // largest anonymous memory
	MemoryLimit    *int64   // effective limit, nil if unlimited
	MemoryStall    *float64 // PSI full, as a ratio of time
	Refaults       *float64 // workingset refaults a second
	ReclaimStalls  *float64 // times the limit was hit, a second (v1 failcnt, v2 memory.events max+high)
	OOMKills       *int64   // during the stretch
	Restarts       *int64   // during the stretch
	Samples        int      // how many samples the stretch held
}
