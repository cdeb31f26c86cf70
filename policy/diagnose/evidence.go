package diagnose

import "math"

// A Number is one measured value. A measure may have several: of parts of a target, or of sources.
type Number struct {
	Measure Measure `json:"measure"`
	Value   float64 `json:"value"`
}

// evidence holds the worst value of each measure that is known.
type evidence map[Measure]float64

// known tells whether a number says anything.
func known(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && v >= 0 }

// gather drops what says nothing, keeps the worst of each measure, and derives what follows from it.
func gather(numbers []Number) evidence {
	e := evidence{}
	for _, n := range numbers {
		of, ok := measures[n.Measure]
		if !ok || !known(n.Value) {
			continue
		}
		have, ok := e[n.Measure]
		if !ok || of.smaller == (n.Value < have) {
			e[n.Measure] = n.Value
		}
	}
	e.derive()
	return e
}

// derive adds the measures that are made of others, where these are known and it was not given itself.
func (e evidence) derive() {
	limit, limited := e[CoresLimit]
	if host, ok := e[HostCores]; ok && (!limited || host < limit) {
		limit, limited = host, true
	}
	if limited {
		e.share(CPUUse, CoresUsed, limit)
		e.share(ProcsShare, GOMAXPROCS, limit)
	}
	if used, ok := e[CoresUsed]; ok && limited {
		whole := math.Round(used)
		if math.Abs(used-whole) >= wholeWithin || limit <= whole+wholeBeside {
			whole = 0
		}
		e.set(WholeCores, whole)
	}
	under, told := e[InFlight]
	if queued, ok := e[QueueDepth]; ok && told { // who waits for a worker has not come to the lock
		e.share(LockShare, LockWaiters, under-queued)
	}
	total, all := 0.0, true
	for _, w := range work {
		v, ok := e[w.of]
		total, all = total+v, all && ok
	}
	for _, w := range work {
		if all { // a share of what is known in part says nothing
			e.share(w.share, w.of, total)
		}
	}
}

// work is what the time goes to. Its sum is taken in this order: another order is another rounding.
var work = []struct{ of, share Measure }{
	{SpreadingWork, SpreadingShare}, {ConsolidationWork, ConsolidationShare}, {APIWork, APIShare}, {SnapshotWork, SnapshotShare},
}

// share sets a measure to another one's part of a whole.
func (e evidence) share(to, of Measure, whole float64) {
	if v, ok := e[of]; ok && whole > 0 && known(whole) {
		e.set(to, v/whole)
	}
}

func (e evidence) set(m Measure, v float64) {
	if _, given := e[m]; !given && known(v) {
		e[m] = v
	}
}
