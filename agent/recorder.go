package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

const (
	// recordQueue bounds the events that wait for a platform to take them.
	recordQueue = 256
	// recordTimeout bounds how long it may take one.
	recordTimeout = 10 * time.Second
	// recordLast bounds how long the queue is worked off at the end.
	recordLast = 3 * time.Second
)

// A recorder takes the events of targets to the place where their platform's users look. Nobody ever
// waits for it: what does not fit in the queue is dropped, and counted in the log.
type recorder struct {
	log   *slog.Logger
	queue chan record

	mu      sync.Mutex
	targets map[string]recording
	dropped int
	fault   string // the last one that was logged
}

// A recording is where the events of a target go.
type recording struct {
	to     actuators.Recorder
	target policy.Target
	claim  *claim
}

type record struct {
	recording
	event policy.Event
}

func newRecorder(log *slog.Logger) *recorder {
	return &recorder{log: log, queue: make(chan record, recordQueue), targets: map[string]recording{}}
}

// set has the events of a target recorded by its driver, if that can do so.
func (r *recorder) set(t *target, drivers map[string]actuators.Driver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.targets, t.cfg.Name)
	for _, name := range t.cfg.Drivers {
		if to, ok := drivers[name].(actuators.Recorder); ok {
			r.targets[t.cfg.Name] = recording{to, t.cfg.Target, t.claim}
			return
		}
	}
}

func (r *recorder) drop(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.targets, target)
}

// worth reports whether users of the platform should see an event there.
func worth(e policy.Event) bool {
	return e.Severity == policy.Warning || e.Severity == policy.Critical || e.Type == policy.EventState || e.Type == policy.EventReconcile
}

// emit queues an event. Only who holds a target speaks of it: on standby another agent does.
func (r *recorder) emit(e policy.Event) {
	if !worth(e) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to, ok := r.targets[e.Target]
	if !ok {
		return
	}
	if standby, _ := to.claim.standby(); standby != "" {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	select {
	case r.queue <- record{to, e}:
	default:
		if r.dropped++; r.dropped == 1 {
			r.log.Warn("the platform takes events too slowly; some are dropped there", "target", e.Target)
		}
	}
}

// run records until ctx ends, and then for a moment what is still queued. What is under way when it ends has
// that moment, too.
func (r *recorder) run(ctx context.Context) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(recordLast, cancel) })
	defer stop()
	for ctx.Err() == nil {
		select {
		case one := <-r.queue:
			r.record(last, one)
		case <-ctx.Done():
		}
	}
	for last.Err() == nil {
		select {
		case one := <-r.queue:
			r.record(last, one)
		default:
			return
		}
	}
}

// record hands over one event. A fault is logged once until it is another.
func (r *recorder) record(ctx context.Context, one record) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	fault := ""
	if err := one.to.RecordEvent(ctx, one.target, one.event); err != nil {
		fault = err.Error()
	}
	r.mu.Lock()
	was := r.fault
	r.fault = fault
	if r.dropped > 0 && fault == "" && len(r.queue) == 0 {
		r.log.Warn("the platform takes events again", "dropped", r.dropped)
		r.dropped = 0
	}
	r.mu.Unlock()
	if fault != "" && fault != was {
		r.log.Warn("an event of a target could not be recorded on its platform", "target", one.target.Name, "error", fault)
	}
}
