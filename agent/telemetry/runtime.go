package telemetry

import (
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/process"
)

// lookAgain is when a process that was neither Go nor Java, or could not be looked into, is looked at
// again: it may have become what it starts.
const lookAgain = time.Minute

// An inside is what runs in a part, and when that was found.
type inside struct {
	process.Runtime
	at time.Time
}

// detect finds out what runs in the parts that have a process on this host: once a process.
func (c *collector) detect(parts []actuators.Part) {
	c.mu.Lock()
	before := c.runtimes
	c.mu.Unlock()
	now := make(map[groupKey]inside, len(parts))
	for _, p := range parts {
		if p.PID == 0 || !p.Running {
			continue
		}
		f, ok := before[keyOf(p)]
		threads, still := f.Still(c.root)
		switch recent := ok && time.Since(f.at).Abs() < lookAgain; {
		case still && (recent || f.Kind != process.Other):
			f.Threads = threads
		case recent && f.Kind == process.Unknown:
		default:
			f = inside{process.Detect(c.root, p.PID), time.Now()}
		}
		now[keyOf(p)] = f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runtimes = now
}

// runtime is what runs in the target: of several parts, the one that follows least. Nil is a target
// without a process on this host.
func (c *collector) runtime() *process.Runtime {
	least := func(k process.Kind) int {
		switch k {
		case process.JVM:
			return 3
		case process.Go:
			return 2
		case process.Other:
			return 1
		}
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var r *process.Runtime
	for _, f := range c.runtimes {
		if r == nil || least(f.Kind) > least(r.Kind) || f.Kind == r.Kind && f.PID < r.PID {
			r = &f.Runtime
		}
	}
	return r
}
