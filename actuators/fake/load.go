package fake

import (
	"time"

	"github.com/engramd/engramd/policy"
)

// A Load is what a service would do if nothing limited it.
type Load struct {
	Cores   float64 // CPU it asks for
	Threads float64 // how many cores it can use at once at most; 0: any number
	// Bursty is the share of periods in which it asks for more than its mean: throttled below its
	// limit. It costs time in proportion to how far the limit is from BurstCores.
	Bursty     float64
	BurstCores float64
	Memory     int64   // working set, all of it anonymous
	Cache      int64   // hot page cache: what does not fit is read again and again
	Errors     float64 // error ratio of its own
	InFlight   float64 // requests it is working on
}

// tick is one second of a service's life.
type tick struct {
	up                        bool
	used, stall               float64
	throttledRatio, throttled float64
	memory                    int64
	refaults, reclaim         float64
	memoryStall               float64
	p99                       float64
	cpuLimit, memoryLimit     policy.Quantity
}

// hostCores is what a container without a limit can use.
const hostCores = 64

// basicP99 is the latency of an idle service, in milliseconds.
const basicP99 = 10

// live says what a second at now looks like under limits l.
func (l limits) live(load Load) tick {
	t := tick{up: l.up, cpuLimit: l.cpu, memoryLimit: l.memory, p99: basicP99}
	if !l.up {
		return t
	}
	limit := float64(hostCores)
	if n, ok := l.cpu.Amount(); ok {
		limit = float64(n) / 1000
	}
	want := load.Cores
	if load.Threads > 0 {
		want = min(want, load.Threads)
	}
	t.used = min(want, limit)
	if want > limit {
		t.throttledRatio = 1
		t.throttled = 1 - limit/want
	} else if load.Bursty > 0 && load.BurstCores > limit {
		t.throttledRatio = load.Bursty
		t.throttled = load.Bursty * (1 - limit/load.BurstCores)
	}
	t.stall = t.throttled
	t.p99 = basicP99 * (1 + 10*t.throttled)
	t.memory = load.Memory
	if n, ok := l.memory.Amount(); ok && load.Memory+load.Cache > n {
		t.refaults = float64(load.Memory+load.Cache-n) / (1 << 16)
		t.reclaim, t.memoryStall = 1, 0.05
	}
	return t
}

// squeeze kills what does not fit into its memory any more; the platform starts it again.
func (sv *service) squeeze(c *container) {
	n, ok := c.effective[policy.Memory].Amount()
	if !c.running || !ok || sv.Load == nil || sv.Load(time.Now()).Memory <= n {
		return
	}
	c.oom = true
	sv.oomKills = append(sv.oomKills, time.Now())
	sv.crash(c)
}

// start starts a container, which crashes at once if it is of that kind.
func (sv *service) start(c *container) time.Time {
	c.running = c.behaviour != "crash"
	return time.Now()
}

// at is the limits that held at a moment.
func (sv *service) at(when time.Time) limits {
	var l limits
	for _, next := range sv.limits {
		if next.since.After(when) {
			break
		}
		l = next
	}
	return l
}

func (sv *service) tick(when time.Time) tick {
	var load Load
	if sv.Load != nil {
		load = sv.Load(when)
	}
	return sv.at(when).live(load)
}
