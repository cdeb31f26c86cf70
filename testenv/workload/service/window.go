package service

import (
	"slices"
	"sync"
	"time"
)

// windowCap bounds a window's memory; at a higher rate the oldest requests are forgotten early.
const windowCap = 100_000

// A window remembers the requests of the last while, for a P99 and an error ratio that follow the present.
type window struct {
	span time.Duration

	mu   sync.Mutex
	last []outcome // by time
}

type outcome struct {
	at     time.Time
	took   time.Duration
	failed bool
}

func (w *window) add(o outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prune(o.at)
	if len(w.last) == windowCap {
		w.last = w.last[1:]
	}
	w.last = append(w.last, o)
}

// summary returns the 99th percentile, the number of requests and how many of them failed.
func (w *window) summary(now time.Time) (p99 time.Duration, requests, failed int) {
	w.mu.Lock()
	w.prune(now)
	took := make([]time.Duration, len(w.last))
	for i, o := range w.last {
		took[i] = o.took
		if o.failed {
			failed++
		}
	}
	w.mu.Unlock()
	if len(took) == 0 {
		return 0, 0, 0
	}
	slices.Sort(took)
	return took[(len(took)-1)*99/100], len(took), failed
}

func (w *window) prune(now time.Time) {
	keep := 0
	for keep < len(w.last) && now.Sub(w.last[keep].at) > w.span {
		keep++
	}
	w.last = w.last[keep:]
}
