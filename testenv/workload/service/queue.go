package service

import (
	"context"
	"errors"
	"sync/atomic"
)

var errQueueFull = errors.New("the queue is full")

// A queue admits a bounded number of requests at a time; the others wait. Its depth is the number that waits.
type queue struct {
	workers chan struct{}
	waiting atomic.Int64
	limit   int64
}

func newQueue(workers, limit int) *queue {
	return &queue{workers: make(chan struct{}, workers), limit: int64(limit)}
}

// enter waits for a worker; the caller calls leave after it returned nil.
func (q *queue) enter(ctx context.Context) error {
	select {
	case q.workers <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.limit {
		return errQueueFull
	}
	select {
	case q.workers <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *queue) leave() { <-q.workers }

func (q *queue) depth() int64 { return q.waiting.Load() }
