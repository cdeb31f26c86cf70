package telemetry

import (
	"context"
	"fmt"
	"time"
)

// FillRing remembers a reading of a target for each of n intervals up to now.
func (t *Telemetry) FillRing(target string, n int) {
	c, ok := t.collector(target)
	if !ok {
		panic(fmt.Sprintf("no target %s", target))
	}
	every := t.setup.Load().Interval
	for i := range n {
		c.ring.add("1", reading{at: time.Now().Add(-time.Duration(n-i) * every), cpuSeconds: float64(i)})
	}
}

// SetFreeBytes makes the store believe in that much space on its disk.
func (t *Telemetry) SetFreeBytes(free func(dir string) (uint64, error)) { t.store.disk.free = free }

// SetSeriesLimits makes the store refuse series sooner: in all, and new ones of one endpoint.
func (t *Telemetry) SetSeriesLimits(all, endpoint int64) {
	t.store.churn.most.Store(all)
	t.store.churn.mostEndpoint.Store(endpoint)
}

// Rewind throws away what was measured after now.
func (t *Telemetry) Rewind(ctx context.Context, now time.Time) error { return t.store.rewind(ctx, now) }

// ParseHeaders parses a headers file.
func ParseHeaders(data []byte) (map[string][]string, error) { return parseHeaders("headers", data) }

// RingSize is how many readings of how many parts a target has in memory.
func (t *Telemetry) RingSize(target string) (parts, readings int) {
	c, ok := t.collector(target)
	if !ok {
		return 0, 0
	}
	c.ring.mu.Lock()
	defer c.ring.mu.Unlock()
	for _, list := range c.ring.parts {
		readings += len(list)
	}
	return len(c.ring.parts), readings
}

// Selectors parses an expression as a signal, and lists what it reads.
func Selectors(expr string) ([]string, error) {
	l, err := newLook(expr)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range l.selectors {
		out = append(out, s.text)
	}
	return out, nil
}
