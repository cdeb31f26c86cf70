package service

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// bounds are the histogram's upper bucket bounds in seconds.
var bounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// A ledger counts finished requests by operation, and by operation and status code.
type ledger struct {
	mu         sync.Mutex
	durations  map[string]*buckets
	codes      map[[2]string]int64
	operations map[string]int64
}

type buckets struct {
	counts []int64 // one more than bounds: +Inf
	sum    time.Duration
}

func newLedger() *ledger {
	return &ledger{durations: map[string]*buckets{}, codes: map[[2]string]int64{}, operations: map[string]int64{}}
}

func (l *ledger) observe(operation string, code int, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.codes[[2]string{operation, strconv.Itoa(code)}]++
	l.operations[operation]++
	b, ok := l.durations[operation]
	if !ok {
		b = &buckets{counts: make([]int64, len(bounds)+1)}
		l.durations[operation] = b
	}
	at, _ := slices.BinarySearch(bounds, took.Seconds())
	b.counts[at]++
	b.sum += took
}

func (l *ledger) write(e *exposition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.operations) == 0 {
		return
	}
	perLabel(e, "engram_operations_total", "counter", "Finished requests.", "operation", l.operations)
	e.family("workload_requests_total", "counter", "Finished requests by status code; 499 is a client that hung up.")
	keys := slices.SortedFunc(maps.Keys(l.codes), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, key := range keys {
		e.sample("workload_requests_total", float64(l.codes[key]), "operation", key[0], "code", key[1])
	}
	e.family("workload_request_duration_seconds", "histogram", "Time from a request's arrival to its answer, the wait for a worker included.")
	for _, operation := range slices.Sorted(maps.Keys(l.durations)) {
		l.durations[operation].write(e, operation)
	}
}

func (b *buckets) write(e *exposition, operation string) {
	const name = "workload_request_duration_seconds"
	sum := int64(0)
	for i, count := range b.counts {
		sum += count
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		e.sample(name+"_bucket", float64(sum), "operation", operation, "le", le)
	}
	e.sample(name+"_sum", b.sum.Seconds(), "operation", operation)
	e.sample(name+"_count", float64(sum), "operation", operation)
}
