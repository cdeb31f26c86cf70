package telemetry

import (
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
