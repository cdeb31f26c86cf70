package telemetry

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/engramd/engramd/actuators"
)

// Used reports what a target used over (from, to], from memory: at most the last two hours. Rates are
// taken between readings within the stretch, so they need two of one process; a counter that began
// again with a new container is not a decrease.
func (t *Telemetry) Used(target string, from, to time.Time) actuators.Usage {
	c, ok := t.collector(target)
	if !ok {
		return actuators.Usage{}
	}
	u := actuators.Usage{Runtime: c.runtime()}
	c.ring.between(from, to, func(list []reading) { worst(&u, usageOf(list)) })
	return u
}

// Sample measures a target now. Rates are since the last interval's reading.
func (t *Telemetry) Sample(ctx context.Context, target string) (actuators.Usage, error) {
	c, ok := t.collector(target)
	if !ok {
		return actuators.Usage{}, fmt.Errorf("sample %s: %w", target, actuators.ErrNotFound)
	}
	parts, err := c.observe(ctx)
	if err != nil {
		return actuators.Usage{}, fmt.Errorf("sample %s: %w", target, err)
	}
	u := actuators.Usage{Runtime: c.runtime()}
	for _, p := range parts {
		now, ok := c.measure(ctx, p)
		if !ok {
			continue
		}
		list := []reading{now.reading}
		if before, ok := c.ring.newest(p.ID); ok && before.at.Before(now.at) {
			list = []reading{before, now.reading}
		}
		one := usageOf(list)
		one.Samples = 1
		worst(&u, one)
	}
	if u.Samples == 0 {
		return u, fmt.Errorf("sample %s: no part of it can be measured: %w", target, actuators.ErrNotFound)
	}
	return u, nil
}

// usageOf sums up the readings of one part.
func usageOf(list []reading) actuators.Usage {
	u := actuators.Usage{Samples: len(list)}
	last := list[len(list)-1]
	u.CPULimit, u.MemoryLimit = float(last.cpuLimit), whole(last.memoryLimit)
	memory, workingSet, anon := math.NaN(), math.NaN(), math.NaN()
	for _, r := range list {
		memory, workingSet, anon = larger(memory, r.memory), larger(workingSet, r.workingSet), larger(anon, r.anon)
	}
	u.MemoryBytes, u.WorkingSet, u.AnonBytes = whole(memory), whole(workingSet), whole(anon)

	g := gainsOf(list)
	u.Cores, u.CPUStall, u.MemoryStall = g.cpu.perSecond(), g.cpuStall.perSecond(), g.memoryStall.perSecond()
	u.Refaults, u.ReclaimStalls = g.refaults.perSecond(), g.hits.perSecond()
	u.OOMKills, u.Restarts = g.oomKills.whole(), g.restarts.whole()
	u.IOStall, u.ThreadCores, u.RunQueue = g.ioStall.perSecond(), g.threadRun.perSecond(), g.threadWait.perSecond()
	u.BusiestThread = mean(list, func(r reading) float64 { return r.busiest })
	u.BlockedThreads = mean(list, func(r reading) float64 { return r.blocked })
	if g.periods.pairs > 0 && g.throttled.pairs > 0 && known(last.cpuLimit) {
		ratio := 0.0 // a group that never ran in the stretch was never stopped either
		if g.periods.sum > 0 {
			ratio = g.throttled.sum / g.periods.sum
		}
		u.ThrottledRatio = &ratio
	}
	return u
}

// A gain is what a counter gained over the pairs of readings that can be compared.
type gain struct {
	sum, seconds float64
	pairs        int
}

// add counts from a to b. A counter that is smaller began again with b.
func (g *gain) add(a, b, seconds float64, again bool) {
	switch {
	case !known(b), !known(a) && !again:
		return
	case again || b < a:
		g.sum += b
	default:
		g.sum += b - a
	}
	g.seconds += seconds
	g.pairs++
}

func (g *gain) perSecond() *float64 {
	if g.pairs == 0 || g.seconds <= 0 {
		return nil
	}
	v := g.sum / g.seconds
	return &v
}

func (g *gain) whole() *int64 {
	if g.pairs == 0 {
		return nil
	}
	return whole(g.sum)
}

type gains struct {
	cpu, cpuStall, memoryStall, ioStall, threadRun, threadWait, refaults, hits, oomKills, restarts, periods, throttled gain
}

func gainsOf(list []reading) gains {
	var g gains
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		s, again := b.at.Sub(a.at).Seconds(), a.group != b.group
		if !again {
			// Over a restart nobody knows when the new counters began, so a rate would be made up.
			g.cpu.add(a.cpuSeconds, b.cpuSeconds, s, false)
			g.cpuStall.add(a.cpuStall, b.cpuStall, s, false)
			g.memoryStall.add(a.memoryStall, b.memoryStall, s, false)
			g.ioStall.add(a.ioStall, b.ioStall, s, false)
			g.threadRun.add(a.threadRun, b.threadRun, s, false)
			g.threadWait.add(a.threadWait, b.threadWait, s, false)
			g.refaults.add(a.refaults, b.refaults, s, false)
			g.hits.add(a.hits, b.hits, s, false)
			g.periods.add(a.periods, b.periods, s, false)
			g.throttled.add(a.throttledPeriods, b.throttledPeriods, s, false)
		}
		kills := g.oomKills.sum
		g.oomKills.add(a.oomKills, b.oomKills, s, again)
		if b.oomKilled && !a.oomKilled && g.oomKills.sum == kills {
			// The kill that ended the container went with its cgroup; the platform tells of it.
			g.oomKills.add(0, 1, s, false)
		}
		g.restarts.add(a.restarts, b.restarts, s, false)
	}
	return g
}

// mean is that of a gauge over the readings that have it.
func mean(list []reading, of func(reading) float64) *float64 {
	sum, n := 0.0, 0
	for _, r := range list {
		if v := of(r); known(v) {
			sum, n = sum+v, n+1
		}
	}
	if n == 0 {
		return nil
	}
	return new(sum / float64(n))
}

// worst makes u the worst of itself and another part.
func worst(u *actuators.Usage, p actuators.Usage) {
	u.Samples += p.Samples
	u.Cores, u.ThrottledRatio = pick(u.Cores, p.Cores, above), pick(u.ThrottledRatio, p.ThrottledRatio, above)
	u.CPUStall, u.MemoryStall = pick(u.CPUStall, p.CPUStall, above), pick(u.MemoryStall, p.MemoryStall, above)
	u.Refaults, u.ReclaimStalls = pick(u.Refaults, p.Refaults, above), pick(u.ReclaimStalls, p.ReclaimStalls, above)
	u.IOStall, u.ThreadCores = pick(u.IOStall, p.IOStall, above), pick(u.ThreadCores, p.ThreadCores, above)
	u.RunQueue, u.BusiestThread = pick(u.RunQueue, p.RunQueue, above), pick(u.BusiestThread, p.BusiestThread, above)
	u.BlockedThreads = pick(u.BlockedThreads, p.BlockedThreads, above)
	u.MemoryBytes, u.WorkingSet = pick(u.MemoryBytes, p.MemoryBytes, above), pick(u.WorkingSet, p.WorkingSet, above)
	u.AnonBytes = pick(u.AnonBytes, p.AnonBytes, above)
	u.OOMKills, u.Restarts = pick(u.OOMKills, p.OOMKills, above), pick(u.Restarts, p.Restarts, above)
	u.CPULimit, u.MemoryLimit = pick(u.CPULimit, p.CPULimit, below), pick(u.MemoryLimit, p.MemoryLimit, below)
}

func pick[T int64 | float64](a, b *T, better func(a, b float64) bool) *T {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case better(float64(*b), float64(*a)):
		return b
	}
	return a
}

func above(a, b float64) bool { return a > b }
func below(a, b float64) bool { return a < b }

func larger(a, b float64) float64 {
	if !known(a) || b > a {
		return b
	}
	return a
}

func float(v float64) *float64 {
	if !known(v) {
		return nil
	}
	return &v
}

func whole(v float64) *int64 {
	if !known(v) {
		return nil
	}
	n := int64(v)
	return &n
}
