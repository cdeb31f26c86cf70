package capacity

import (
	"errors"
	"fmt"
	"math"
)

// ErrImpossible is input that no node can have, or a result beyond what a number of bytes can be.
var ErrImpossible = errors.New("impossible input")

// A Workload is what the guide's calculator is given: `capacity 1000000 0.1 50 5000 30 300`, and a profile.
type Workload struct {
	Memories              float64 `json:"nodes"`
	ActiveRatio           float64 `json:"active_ratio"` // of the memories that are hot, 0 to 1
	EdgesPerMemory        float64 `json:"edges_per_node"`
	OpsPerSec             float64 `json:"ops_per_sec"`
	RetentionDays         float64 `json:"retention_days"`
	ConsolidationInterval float64 `json:"consolidation_interval_s"`
	Profile               string  `json:"workload,omitempty"` // mixed if empty
}

// Validate returns all that is impossible about w, naming each number as the guide does.
func (w Workload) Validate() error {
	var c checks
	c.whole("nodes", w.Memories)
	c.amount("active_ratio", w.ActiveRatio)
	if w.ActiveRatio > 1 {
		c.fault("active_ratio: %v is above 1; it is the share of the nodes that are hot, such as 0.1", w.ActiveRatio)
	}
	c.amount("edges_per_node", w.EdgesPerMemory)
	c.amount("ops_per_sec", w.OpsPerSec)
	c.amount("retention_days", w.RetentionDays)
	c.positive("consolidation_interval_s", w.ConsolidationInterval)
	if _, err := ProfileNamed(w.Profile); err != nil {
		c.faults = append(c.faults, err)
	}
	return c.err()
}

// checks collects what is impossible about some input.
type checks struct{ faults []error }

func (c *checks) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// amount refuses what is not a number, infinite or negative.
func (c *checks) amount(name string, v float64) bool {
	switch {
	case math.IsNaN(v):
		c.fault("%s: it is not a number", name)
	case math.IsInf(v, 0):
		c.fault("%s: it is beyond what a number can be", name)
	case v < 0:
		c.fault("%s: %v is negative", name, v)
	default:
		return true
	}
	return false
}

func (c *checks) positive(name string, v float64) {
	if c.amount(name, v) && v == 0 {
		c.fault("%s: it is zero, and is divided by; give a number above 0", name)
	}
}

func (c *checks) whole(name string, v float64) {
	if c.amount(name, v) && v != math.Trunc(v) {
		c.fault("%s: %v is not a whole number", name, v)
	}
}

func (c *checks) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrImpossible, errors.Join(c.faults...))
}
