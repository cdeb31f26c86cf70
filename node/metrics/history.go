package metrics

import (
	"sync"
	"time"
)

// Rates are over about these times; a moment is kept every momentEvery.
const (
	longWindow  = time.Minute
	shortWindow = 15 * time.Second
	momentEvery = 5 * time.Second
	leastWindow = 100 * time.Millisecond // below which a rate would be noise
)

// A moment is all counters at one time.
type moment struct {
	at    time.Time
	tally *tally
	look  look
}

// A history is the moments of the last minute, oldest first.
type history struct {
	mu      sync.Mutex
	moments []moment
}

// keep adds a moment if the newest is old enough, and forgets those that no rate needs any more.
func (h *history) keep(m moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.moments); n > 0 {
		if since := m.at.Sub(h.moments[n-1].at); since < 0 {
			h.moments = nil // the clock was set back
		} else if since < momentEvery/2 {
			return
		}
	}
	h.moments = append(h.moments, m)
	for len(h.moments) > 2 && m.at.Sub(h.moments[1].at) >= longWindow {
		h.moments[0] = moment{}
		h.moments = h.moments[1:]
	}
}

// before returns the newest moment that is at least a time old, else the oldest; false if that is too young for a rate.
func (h *history) before(now time.Time, age time.Duration) (moment, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found moment
	for i, m := range h.moments {
		if i == 0 || now.Sub(m.at) >= age {
			found = m
		}
	}
	return found, len(h.moments) > 0 && now.Sub(found.at) >= leastWindow
}
