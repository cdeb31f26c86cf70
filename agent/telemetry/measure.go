package telemetry

import (
	"math"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// A measurement is one reading of one part, for the ring, and its samples, for the store.
type measurement struct {
	reading
	samples []sample
}

// measured turns what the kernel and the platform say of a part into a measurement. before is the
// part's last reading, for the pressure ratios; ids are the labels that name the part. host is nil where
// it could not be read: what the part can really use is unknown then.
func measured(at time.Time, p actuators.Part, g cgroup.Group, st cgroup.Stats, host *cgroup.Capacity, before reading, ids []string) measurement {
	b := builder{ids: ids}
	m := measurement{reading: reading{
		at: at, group: g.Path,
		restarts: float64(p.Restarts), oomKilled: p.OOMKilled,
		threadRun: math.NaN(), threadWait: math.NaN(), busiest: math.NaN(), blocked: math.NaN(), // see threads
	}}
	m.cpu(&b, st, host)
	m.memoryUse(&b, st, host)
	m.pressure(&b, st, before)
	b.io(st.IO)
	b.rest(p, st)
	m.samples = b.samples
	return m
}

func (m *measurement) cpu(b *builder, st cgroup.Stats, host *cgroup.Capacity) {
	c := st.CPU
	m.cpuSeconds = b.duration("cpu_seconds_total", c.Used)
	b.duration("cpu_user_seconds_total", c.User)
	b.duration("cpu_system_seconds_total", c.System)
	b.duration("cpu_throttled_seconds_total", c.Throttled)
	m.periods = b.count("cpu_periods_total", c.Periods)
	m.throttledPeriods = b.count("cpu_throttled_periods_total", c.ThrottledPeriods)
	if host != nil {
		b.quantity("cpu_limit_cores", st.CPULimit(*host), 1000)
	}
	m.cpuLimit = b.unlimited("cpu_unlimited", c.EffectiveLimit, 1000)
	b.set("cpuset_cpus", st.Cpuset.CPUs)
	b.set("cpuset_mems", st.Cpuset.Mems)
}

func (m *measurement) memoryUse(b *builder, st cgroup.Stats, host *cgroup.Capacity) {
	mem := st.Memory
	m.memory = b.count("memory_usage_bytes", mem.Usage)
	m.workingSet = b.count("memory_working_set_bytes", mem.WorkingSet)
	m.anon = b.count("memory_anon_bytes", mem.Anon)
	b.count("memory_file_bytes", mem.File)
	b.count("memory_kernel_bytes", mem.Kernel)
	b.count("memory_swap_bytes", mem.Swap)
	if host != nil {
		b.quantity("memory_limit_bytes", st.MemoryLimit(*host), 1)
	}
	m.memoryLimit = b.unlimited("memory_unlimited", mem.EffectiveLimit, 1)
	b.quantity("memory_high_bytes", mem.High, 1)
	m.oomKills = b.count("oom_kills_total", mem.OOMKills)
	m.hits = b.count("memory_limit_hits_total", mem.LimitHits)
	m.refaults = b.count("memory_refaults_total", mem.Refaults)
}

// pressure gives PSI: the time lost, and its share of the time since the last reading. Of the CPU it
// is the time in which some task waited, of memory that in which all did, as the Meter has it.
func (m *measurement) pressure(b *builder, st cgroup.Stats, before reading) {
	p := st.Pressure
	m.cpuStall = b.duration("cpu_pressure_seconds_total", p.CPU.Some)
	m.memoryStall = b.duration("memory_pressure_seconds_total", p.Memory.Full)
	b.duration("memory_pressure_some_seconds_total", p.Memory.Some)
	b.duration("io_pressure_seconds_total", p.IO.Full)
	m.ioStall = b.duration("io_pressure_some_seconds_total", p.IO.Some)
	seconds := m.at.Sub(before.at).Seconds()
	if before.at.IsZero() || before.group != m.group || seconds <= 0 {
		return
	}
	b.ratio("cpu_pressure_ratio", (m.cpuStall-before.cpuStall)/seconds)
	b.ratio("memory_pressure_ratio", (m.memoryStall-before.memoryStall)/seconds)
}

// A builder collects the samples of a part.
type builder struct {
	ids     []string
	samples []sample
}

func (b *builder) add(name string, v float64) {
	b.samples = append(b.samples, sample{"engramd_target_" + name, v, b.ids})
}

func (b *builder) count(name string, n *int64) float64 {
	if n == nil {
		return math.NaN()
	}
	b.add(name, float64(*n))
	return float64(*n)
}

func (b *builder) duration(name string, d *time.Duration) float64 {
	if d == nil {
		return math.NaN()
	}
	b.add(name, d.Seconds())
	return d.Seconds()
}

func (b *builder) ratio(name string, v float64) {
	if known(v) && v >= 0 {
		b.add(name, min(v, 1))
	}
}

func (b *builder) quantity(name string, q policy.Quantity, unit float64) {
	if n, ok := q.Amount(); ok {
		b.add(name, float64(n)/unit)
	}
}

// unlimited tells whether q is no limit, and returns the limit that it is.
func (b *builder) unlimited(name string, q policy.Quantity, unit float64) float64 {
	n, limited := q.Amount()
	switch {
	case limited:
		b.add(name, 0)
		return float64(n) / unit
	case q.IsUnlimited():
		b.add(name, 1)
	}
	return math.NaN()
}

func (b *builder) set(name string, s cgroup.Set) {
	if s != nil {
		b.add(name, float64(len(s)))
	}
}

func (b *builder) io(io cgroup.IO) {
	b.count("io_read_bytes_total", io.ReadBytes)
	b.count("io_written_bytes_total", io.WriteBytes)
	b.count("io_reads_total", io.ReadOps)
	b.count("io_writes_total", io.WriteOps)
}

func (b *builder) rest(p actuators.Part, st cgroup.Stats) {
	b.count("pids", st.PIDs.Current)
	b.quantity("pids_limit", st.PIDs.Limit, 1)
	b.platform(p)
	info := append([]string{"part", p.Name, "cpus", st.Cpuset.CPUs.String(), "mems", st.Cpuset.Mems.String()}, b.ids...)
	b.samples = append(b.samples, sample{"engramd_target_info", 1, info})
}

// platform gives what the platform says, also of a part that is not on this host.
func (b *builder) platform(p actuators.Part) {
	b.add("restarts_total", float64(p.Restarts))
	if !p.StartedAt.IsZero() {
		b.add("start_time_seconds", float64(p.StartedAt.UnixMilli())/1000)
	}
	switch p.Healthy {
	case "healthy":
		b.add("healthy", 1)
	case "unhealthy", "starting":
		b.add("healthy", 0)
	}
}

// elsewhere gives the limits of a part that runs on another host, as the platform has them.
func elsewhere(p actuators.Part, ids []string) []sample {
	b := builder{ids: ids}
	if q, ok := p.Effective[policy.CPU]; ok {
		b.quantity("cpu_limit_cores", q, 1000)
		b.unlimited("cpu_unlimited", q, 1000)
	}
	if q, ok := p.Effective[policy.Memory]; ok {
		b.quantity("memory_limit_bytes", q, 1)
		b.unlimited("memory_unlimited", q, 1)
	}
	b.platform(p)
	return b.samples
}
