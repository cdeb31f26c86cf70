package telemetry

import "sync"

// A condition remembers whether something is in order, so that only changes are logged.
type condition struct {
	mu  sync.Mutex
	bad bool
}

// became reports whether err is a change: from order to a fault, or back.
func (c *condition) became(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.bad != (err != nil)
	c.bad = err != nil
	return changed
}
