package events

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/policy"
)

// queueLength is how many events wait for one receiver; at about 1 kB each they are nothing, and
// they outlast a receiver's restart.
const queueLength = 1024

// A receiver delivers one event at a time. It returns when ctx ends.
type receiver interface {
	deliver(ctx context.Context, e policy.Event) error
}

// A refresher is a receiver that has something to say again from time to time.
type refresher interface {
	refresh(ctx context.Context) error
}

// refreshEvery is how often a refresher is asked.
const refreshEvery = time.Minute

// An outlet is one receiver with its queue. One goroutine, that of run, delivers.
type outlet struct {
	name  string
	least policy.Severity
	to    receiver
	queue chan policy.Event
	log   *slog.Logger
	count *counters

	full    atomic.Bool // the queue is full, and that was logged
	failing bool        // the last delivery failed, and that was logged
	lost    int         // deliveries that failed since
}

func (s *Sink) outlet(name string, least policy.Severity, to receiver) *outlet {
	return &outlet{
		name: name, least: least, to: to, queue: make(chan policy.Event, queueLength),
		log: s.log.With("receiver", name), count: s.count,
	}
}

// offer queues e, or drops it if the queue is full.
func (o *outlet) offer(e policy.Event) {
	if rank(e.Severity) < rank(o.least) {
		return
	}
	select {
	case o.queue <- e:
		o.full.Store(false)
	default:
		o.count.dropped.WithLabelValues(o.name, "queue_full").Inc()
		if !o.full.Swap(true) {
			o.log.Warn("events are dropped: the receiver is too slow", "queue", queueLength)
		}
	}
}

// run delivers until ending is closed, then what is queued; it gives up when ctx ends.
func (o *outlet) run(ctx context.Context, ending <-chan struct{}) {
	again := time.NewTicker(refreshEvery)
	defer again.Stop()
	for {
		select {
		case e := <-o.queue:
			o.outcome(o.to.deliver(ctx, e))
		case <-again.C:
			if r, ok := o.to.(refresher); ok {
				o.outcome(r.refresh(ctx))
			}
		case <-ending:
			o.finish(ctx)
			return
		}
	}
}

// finish delivers what is queued.
func (o *outlet) finish(ctx context.Context) {
	if c, ok := o.to.(interface{ close() error }); ok {
		defer c.close()
	}
	for {
		select {
		case e := <-o.queue:
			if ctx.Err() != nil {
				o.count.dropped.WithLabelValues(o.name, "shutdown").Inc()
				continue
			}
			o.outcome(o.to.deliver(ctx, e))
		default:
			return
		}
	}
}

// errNothing says that there was nothing to deliver.
var errNothing = errors.New("nothing to deliver")

// outcome counts a delivery, and logs when a receiver begins to fail and when it is well again.
func (o *outlet) outcome(err error) {
	switch {
	case errors.Is(err, errNothing):
	case err != nil:
		o.count.dropped.WithLabelValues(o.name, "failed").Inc()
		o.lost++
		if !o.failing {
			o.failing = true
			o.log.Warn("events cannot be delivered", "error", err)
		}
	default:
		o.count.delivered.WithLabelValues(o.name).Inc()
		if o.failing {
			o.log.Info("events are delivered again", "lost", o.lost)
			o.failing, o.lost = false, 0
		}
	}
}

// rank orders severities; an unknown one is taken for the loudest.
func rank(s policy.Severity) int {
	switch s {
	case policy.Info, "":
		return 0
	case policy.Warning:
		return 1
	}
	return 2
}
