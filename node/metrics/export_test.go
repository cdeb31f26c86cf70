package metrics

import (
	"errors"
	"time"
)

// SlotBounds are the upper bounds of all slots.
func SlotBounds() (out []time.Duration) {
	for _, s := range makeSlots() {
		out = append(out, s.bound)
	}
	return out
}

// What the tests compare with.
const (
	SlotCount = slotCount
	Schema    = schema
)

// ClassicBounds in seconds, and the zero bucket's.
func ClassicBounds() (out []float64, zero float64) {
	for _, b := range classicBounds {
		out = append(out, b.Seconds())
	}
	return out, zeroThreshold
}

// Quantile is that of durations.
func Quantile(q float64, ds []time.Duration) (time.Duration, bool) {
	s, counts := newScale(), make([]uint64, slotCount)
	for _, d := range ds {
		counts[s.slot(d)]++
	}
	return s.quantile(counts, q)
}

// SetProcessTime puts a clock in the place of getrusage.
func (m *Metrics) SetProcessTime(f func() (time.Duration, error)) { m.machine.used = f }

// Keep keeps a moment, as Run does.
func (m *Metrics) Keep() { m.keep() }

// AllNames are those of operations and kinds.
func AllNames() (out []string) {
	for op := range operations {
		out = append(out, op.String())
	}
	for k := range kinds {
		out = append(out, k.String())
	}
	return out
}

// Moments is how many are kept.
func (m *Metrics) Moments() int { return len(m.history.moments) }

// ParseMachine reads the lines of /proc/stat and of a device's stat.
func ParseMachine(core []string, device string) (worked, all, ops uint64, err error) {
	b, err1 := parseBusy(core)
	ops, err2 := parseDiskStat("stat", device)
	return b.worked, b.all, ops, errors.Join(err1, err2)
}
