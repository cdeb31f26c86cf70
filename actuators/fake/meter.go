package fake

import (
	"context"
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
)

// Used implements [actuators.Meter]: the truth, a sample a second.
func (d *Driver) Used(target string, from, to time.Time) actuators.Usage {
	d.mu.Lock()
	defer d.mu.Unlock()
	sv := d.services[target]
	if sv == nil {
		return actuators.Usage{}
	}
	var sum tick
	var u actuators.Usage
	for at := from.Add(time.Second); !at.After(to); at = at.Add(time.Second) {
		t := sv.tick(at)
		if !t.up {
			continue
		}
		u.Samples++
		sum.used += t.used
		sum.stall += t.stall
		sum.throttled += t.throttled
		sum.throttledRatio += t.throttledRatio
		sum.refaults += t.refaults
		sum.reclaim += t.reclaim
		sum.memoryStall += t.memoryStall
		sum.memory = max(sum.memory, t.memory)
		sum.cpuLimit, sum.memoryLimit = t.cpuLimit, t.memoryLimit
	}
	if u.Samples == 0 {
		return u
	}
	n := float64(u.Samples)
	mean := func(v float64) *float64 { return new(v / n) }
	u.Cores, u.CPUStall, u.ThrottledTime, u.ThrottledRatio = mean(sum.used), mean(sum.stall), mean(sum.throttled), mean(sum.throttledRatio)
	u.Refaults, u.ReclaimStalls, u.MemoryStall = mean(sum.refaults), mean(sum.reclaim), mean(sum.memoryStall)
	u.MemoryBytes, u.WorkingSet, u.AnonBytes = new(sum.memory), new(sum.memory), new(sum.memory)
	if q, ok := sum.cpuLimit.Amount(); ok {
		u.CPULimit = new(float64(q) / 1000)
	}
	if q, ok := sum.memoryLimit.Amount(); ok {
		u.MemoryLimit = new(q)
	}
	u.OOMKills, u.Restarts = within(sv.oomKills, from, to), within(sv.restarts, from, to)
	return u
}

func within(times []time.Time, from, to time.Time) *int64 {
	var n int64
	for _, t := range times {
		if t.After(from) && !t.After(to) {
			n++
		}
	}
	return &n
}

// Sample implements [actuators.Meter].
func (d *Driver) Sample(ctx context.Context, target string) (actuators.Usage, error) {
	err := d.faulty(ctx, "sample", "", func() error {
		if d.services[target] == nil {
			return fmt.Errorf("%w: %s", actuators.ErrNotFound, target)
		}
		return nil
	})
	if err != nil {
		return actuators.Usage{}, err
	}
	now := time.Now()
	return d.Used(target, now.Add(-time.Second), now), nil
}
