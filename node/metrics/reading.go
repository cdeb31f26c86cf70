package metrics

import (
	"maps"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/tier"
)

// A reading is all that is told at one time. What is nil is not known.
type reading struct {
	at    time.Time
	state State
	tally *tally

	cpuLimit   *float64         // cores
	cpuUsed    *float64         // per cent of cpuLimit
	cpuTime    *time.Duration   // of this process since its start
	cpuWait    *time.Duration   // for a core, of its threads
	coresUsed  map[int]float64  // per cent
	memory     memoryReading    //
	disk       *diskUsage       //
	iops       *float64         // of the device, by everybody
	iopsLimit  *float64         //
	iopsSource string           // of iopsLimit
	recent     *recentReading   // of the last minute
	unknown    map[string]error // what is nil because it could not be read
}

// memoryReading divides the memory that nobody can take back.
type memoryReading struct {
	bound    *pressure.Bound
	level    pressure.Level
	hot      *int64
	index    *int64
	memtable *int64
	other    *int64 // the rest: the runtime, buffers, and whatever else counts against the bound
}

// recentReading is what operations did in the last minute.
type recentReading struct {
	over    time.Duration
	latency map[Operation]latency
	worst   *Operation // the request with the largest P99
	asked   uint64     // requests
	faults  uint64     // of them
}

type latency struct {
	p50, p99 time.Duration
	count    uint64
}

// read takes a reading.
func (m *Metrics) read() reading {
	r := reading{at: m.opts.Now(), unknown: map[string]error{}}
	if m.opts.State != nil {
		r.state = m.opts.State()
	}
	r.tally = m.ops.tally()
	l := m.machine.look()
	maps.Copy(r.unknown, l.faults)
	r.cpuTime, r.cpuWait = l.cpu, m.waiting.look(m.opts.Root)
	if limit, err := m.machine.cpuLimit(); err != nil {
		r.unknown["cpu_limit"] = err
	} else {
		r.cpuLimit = &limit
	}
	if u, err := m.surveyor.usage(r.at); err != nil {
		r.unknown["storage"] = err
	} else {
		r.disk = &u
	}
	if limit, source := m.opts.diskCeiling(); limit > 0 {
		r.iopsLimit, r.iopsSource = &limit, source
	}
	r.readMemory()
	if before, ok := m.history.before(r.at, shortWindow); ok {
		r.readMachine(before, l)
	}
	if before, ok := m.history.before(r.at, longWindow); ok {
		r.readRecent(m.ops.scale, before)
	}
	m.history.keep(moment{r.at, r.tally, l})
	return r
}

// readMachine compares the counters of the machine with earlier ones.
func (r *reading) readMachine(before moment, now look) {
	seconds := r.at.Sub(before.at).Seconds()
	if now.cpu != nil && before.look.cpu != nil && r.cpuLimit != nil {
		used := 100 * max(0, *now.cpu-*before.look.cpu).Seconds() / seconds / *r.cpuLimit
		r.cpuUsed = &used
	}
	if now.ops != nil && before.look.ops != nil && *now.ops >= *before.look.ops {
		rate := float64(*now.ops-*before.look.ops) / seconds
		r.iops = &rate
	}
	r.coresUsed = map[int]float64{}
	for core, n := range now.cores {
		b, ok := before.look.cores[core]
		if ok && n.all > b.all && n.worked >= b.worked {
			r.coresUsed[core] = 100 * min(1, float64(n.worked-b.worked)/float64(n.all-b.all))
		}
	}
}

func (r *reading) readMemory() {
	m := &r.memory
	if t := r.state.Tiers; t != nil {
		m.hot = &t.HotResident.Bytes // what the cache has set aside for itself is resident only as far as it was touched: in other
	}
	m.index = r.state.IndexBytes
	if s := r.state.Store; s != nil {
		m.memtable = &s.MemtableBytes
	}
	p := r.state.Pressure
	if p == nil {
		return
	}
	if p.Err != nil {
		r.unknown["memory"] = p.Err
	}
	m.level = p.Level
	bound, ok := p.Reading.Tightest()
	if !ok {
		return
	}
	other := bound.UsedBytes
	for _, part := range []*int64{m.hot, m.index, m.memtable} {
		if part != nil {
			other -= *part
		}
	}
	m.bound, m.other = &bound, new(max(0, other))
}

func (r *reading) readRecent(s *scale, before moment) {
	rec := &recentReading{over: r.at.Sub(before.at), latency: map[Operation]latency{}}
	for op := range operations {
		counts := r.tally.since(before.tally, op)
		p99, ok := s.quantile(counts, 0.99)
		if !ok {
			continue
		}
		p50, _ := s.quantile(counts, 0.5)
		l := latency{p50, p99, total(counts)}
		rec.latency[op] = l
		if !op.Request() {
			continue
		}
		rec.asked += l.count
		if rec.worst == nil || p99 > rec.latency[*rec.worst].p99 {
			rec.worst = &op
		}
		for k := range kinds {
			if k.Fault() {
				rec.faults += r.tally.errors[op][k] - before.tally.errors[op][k]
			}
		}
	}
	r.recent = rec
}

// storedBytes divides the base among the tiers. What the base takes beyond the values (keys, edges, free pages) is in none.
func (r *reading) storedBytes() (stored *tier.Distribution, base int64) {
	base = r.disk.base
	if r.state.Tiers == nil {
		return nil, base
	}
	d := r.state.Tiers.StoredBytes
	return &d, max(0, base-d.Hot-d.Warm-d.Cold)
}
