package telemetry

import (
	"math"
	"sort"
	"sync"
	"time"
)

// Bounds of what is remembered of a target for the Meter.
const (
	ringSpan  = 2 * time.Hour
	ringMax   = 1500 // readings of one part
	ringParts = 64   // of one target
)

// A reading is what one part of a target had and had used at one instant. What was not to be seen is
// NaN.
type reading struct {
	at    time.Time
	group string // the cgroup: its counters begin with it

	cpuSeconds, cpuLimit      float64 // limit in cores, NaN if unlimited or not known
	periods, throttledPeriods float64
	cpuStall, memoryStall     float64 // seconds: CPU some, memory full
	ioStall                   float64 // seconds: some
	threadRun, threadWait     float64 // seconds that its threads ran, and were ready and waited for a core
	busiest, blocked          float64 // share of the time that the busiest thread ran; threads in uninterruptible sleep
	memory, workingSet, anon  float64
	memoryLimit               float64
	oomKills, hits, refaults  float64
	restarts                  float64
	oomKilled                 bool
}

// A ring remembers the readings of one target, by part.
type ring struct {
	mu    sync.Mutex
	parts map[string][]reading
}

// add remembers r. Readings that are not newer than the last one, as after the clock went back, push
// out those they contradict.
func (g *ring) add(part string, r reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parts == nil {
		g.parts = map[string][]reading{}
	}
	list := g.parts[part]
	for len(list) > 0 && !list[len(list)-1].at.Before(r.at) {
		list = list[:len(list)-1]
	}
	drop := 0
	for drop < len(list) && (r.at.Sub(list[drop].at) > ringSpan || len(list)-drop >= ringMax) {
		drop++
	}
	if drop > 0 {
		list = append(list[:0], list[drop:]...)
	}
	g.parts[part] = append(list, r)
	g.forget(r.at)
}

// forget drops the parts that are no more.
func (g *ring) forget(now time.Time) {
	for name, list := range g.parts {
		if now.Sub(list[len(list)-1].at) > ringSpan {
			delete(g.parts, name)
		}
	}
	for len(g.parts) > ringParts {
		oldest, at := "", now.Add(time.Second)
		for name, list := range g.parts {
			if t := list[len(list)-1].at; t.Before(at) {
				oldest, at = name, t
			}
		}
		delete(g.parts, oldest)
	}
}

// between calls yield with the readings of each part in (from, to].
func (g *ring) between(from, to time.Time, yield func([]reading)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, list := range g.parts {
		after := func(t time.Time) int { // the first reading after t
			return sort.Search(len(list), func(i int) bool { return list[i].at.After(t) })
		}
		if begin, end := after(from), after(to); end > begin {
			yield(list[begin:end])
		}
	}
}

// newest returns the last reading of a part.
func (g *ring) newest(part string) (reading, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.parts[part]
	if len(list) == 0 {
		return reading{}, false
	}
	return list[len(list)-1], true
}

func known(v float64) bool { return !math.IsNaN(v) }
