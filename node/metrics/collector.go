package metrics

import (
	"strconv"
	"time"

	"github.com/engramd/engramd/node/tier"
	"github.com/prometheus/client_golang/prometheus"
)

// A collector tells Prometheus a reading.
type collector struct {
	read func() reading
	ops  *Operations
}

// Describe implements prometheus.Collector: which metrics there are depends on what is known.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	r, t := c.read(), teller{to}
	t.cpu(&r)
	t.memory(&r)
	t.tiers(&r)
	t.storage(&r)
	t.work(&r)
	t.operations(&r, c.ops)
}

// A teller makes metrics. Labels come as name, value, name, value.
type teller struct{ to chan<- prometheus.Metric }

func (t teller) tell(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
	names, values := pairs(labels)
	t.to <- prometheus.MustNewConstMetric(prometheus.NewDesc("engram_"+name, help, names, nil), kind, v, values...)
}

func pairs(labels []string) (names, values []string) {
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return names, values
}

func (t teller) gauge(name, help string, v float64, labels ...string) {
	t.tell(prometheus.GaugeValue, name, help, v, labels...)
}

func (t teller) counter(name, help string, v float64, labels ...string) {
	t.tell(prometheus.CounterValue, name, help, v, labels...)
}

// known tells a gauge that may not be known.
func known[T int | int64 | float64](t teller, name, help string, v *T, labels ...string) {
	if v != nil {
		t.gauge(name, help, float64(*v), labels...)
	}
}

func (t teller) cpu(r *reading) {
	known(t, "cpu_limit_cores", "Cores that this process can use: those its threads are allowed, at most the quota of its control groups.", r.cpuLimit)
	known(t, "cpu_utilization_percent", "CPU time of this process in the last 15 s, in per cent of engram_cpu_limit_cores.", r.cpuUsed, "core", "all")
	if r.cpuTime != nil {
		t.counter("cpu_seconds_total", "CPU time of this process.", r.cpuTime.Seconds())
	}
	if r.cpuWait != nil {
		t.counter("cpu_wait_seconds_total", "Time in which threads of this process were ready and waited for a core.", r.cpuWait.Seconds())
	}
	for core, used := range r.coresUsed {
		t.gauge("host_cpu_utilization_percent", "Use of each core of the machine in the last 15 s, by everybody.", used, "core", strconv.Itoa(core))
	}
}

func (t teller) memory(r *reading) {
	var refused uint64
	for op := range operations {
		refused += r.tally.errors[op][NoMemory]
	}
	t.counter("allocation_failures_total", "Operations refused because no memory was left.", float64(refused))
	m := r.memory
	const usage = "Memory that nobody can take back (anonymous and the kernel's), by what holds it: copies of hot memories, the index of all, " +
		"what is not checkpointed yet, and the rest. The sum is what counts against engram_memory_limit_bytes. Warm and cold memories are in the cache of files."
	known(t, "memory_usage_bytes", usage, m.hot, "tier", "hot")
	known(t, "memory_usage_bytes", usage, m.index, "tier", "index")
	known(t, "memory_usage_bytes", usage, m.memtable, "tier", "memtable")
	known(t, "memory_usage_bytes", usage, m.other, "tier", "other")
	if m.bound == nil {
		return
	}
	t.gauge("memory_limit_bytes", "The bound on memory that is nearest: a limit of a control group, GOMEMLIMIT, or the machine.", float64(m.bound.LimitBytes))
	t.gauge("memory_pressure_ratio", "Use of that bound.", m.bound.Ratio())
}

func (t teller) tiers(r *reading) {
	s := r.state.Tiers
	if s == nil {
		return
	}
	t.gauge("hot_tier_ratio", "Share of all memories that are hot; 0 if there are none.", hotRatio(s))
	for _, of := range []struct {
		tier  tier.Tier
		below float64
	}{{tier.Hot, s.Settings.Policy.Hot.Threshold}, {tier.Warm, s.Settings.Policy.Warm.Threshold}} {
		t.gauge("eviction_threshold", "Activation below which a memory is evicted from the tier.", of.below, "tier", of.tier.String())
	}
	for _, of := range byTier(s.Distribution) {
		t.gauge("tier_memories", "Memories in each tier.", float64(of.n), "tier", of.tier)
	}
	for _, m := range s.Moves {
		t.counter("tier_moves_total", "Memories that went from one tier to another.", float64(m.Total), "from_tier", m.From.String(), "to_tier", m.To.String())
		if m.To > m.From {
			t.gauge("eviction_rate", "Memories that were evicted, a second, in the last minute.", m.PerSecond, "from_tier", m.From.String(), "to_tier", m.To.String())
			t.counter("evictions_total", "Memories that were evicted.", float64(m.Total), "from_tier", m.From.String(), "to_tier", m.To.String())
		}
	}
	t.counter("hot_cache_hits_total", "Reads of hot memories that found a copy on the heap.", float64(s.Hits))
	t.counter("hot_cache_misses_total", "Reads of hot memories that found none.", float64(s.Misses))
	t.gauge("hot_cache_records", "Copies of hot memories on the heap.", float64(s.HotResident.Records))
	t.gauge("hot_cache_reserved_bytes", "Heap that the cache has set aside beside the copies; what of it was ever touched is memory of tier other.", float64(s.HotResident.FixedBytes))
	t.gauge("hot_cache_limit_bytes", "Heap that the copies may take.", float64(s.HotResident.LimitBytes))
}

func hotRatio(s *tier.Stats) float64 {
	return float64(s.Distribution.Hot) / float64(max(1, s.Distribution.Total))
}

type ofTier struct {
	tier string
	n    int64
}

func byTier(d tier.Distribution) []ofTier {
	return []ofTier{{tier.Hot.String(), d.Hot}, {tier.Warm.String(), d.Warm}, {tier.Cold.String(), d.Cold}}
}

func (t teller) storage(r *reading) {
	if s := r.state.Store; s != nil {
		t.gauge("wal_size_bytes", "The write-ahead log on the disk.", float64(s.WAL.DiskBytes))
		t.gauge("compaction_pending_segments", "Segments of the log that are full and not yet checkpointed.", float64(s.WAL.SealedPending))
		t.counter("wal_written_bytes_total", "Bytes written to the log.", float64(s.WAL.WrittenBytes))
		t.counter("wal_batches_total", "Batches written to the log, each with one sync.", float64(s.WAL.Batches))
		t.gauge("read_only", "1 if a failed sync has made the store read-only, until the next start.", number(s.ReadOnly != nil))
	}
	if s := r.state.Snapshots; s != nil {
		t.tell(prometheus.UntypedValue, "snapshot_count", "Snapshots that are kept.", float64(s.Count))
		if !s.LastSuccess.IsZero() {
			t.gauge("snapshot_last_success_timestamp_seconds", "When the last snapshot was finished.", float64(s.LastSuccess.UnixMilli())/1e3)
		}
	}
	if r.disk != nil {
		t.disk(r)
	}
	known(t, "disk_iops", "Reads, writes and flushes a second of the device of the data directory in the last 15 s, by everybody.", r.iops)
	if r.iopsLimit == nil {
		return
	}
	t.gauge("disk_iops_ceiling", "Operations a second that the device can do, and whether that was configured or measured.", *r.iopsLimit, "ceiling", r.iopsSource)
	if r.iops != nil {
		t.gauge("disk_iops_utilized_percent", "engram_disk_iops in per cent of engram_disk_iops_ceiling.", 100**r.iops / *r.iopsLimit, "ceiling", r.iopsSource)
	}
}

func (t teller) disk(r *reading) {
	const usage = "What the node takes on the disk: values by tier, the rest of the base (keys, edges, free pages), vectors, the log, snapshots, others."
	stored, base := r.storedBytes()
	if stored != nil {
		for _, of := range byTier(*stored) {
			t.gauge("storage_usage_bytes", usage, float64(of.n), "tier", of.tier)
		}
	}
	for _, of := range []ofTier{{"base", base}, {"vectors", r.disk.vectors}, {"wal", r.disk.wal}, {"snapshots", r.disk.snapshots}, {"other", r.disk.other}} {
		t.gauge("storage_usage_bytes", usage, float64(of.n), "tier", of.tier)
	}
	t.gauge("storage_limit_bytes", "What the node may take on the disk: what it takes, and what is free in the file system.", float64(r.disk.sum()+r.disk.available))
}

func (t teller) work(r *reading) {
	if s := r.state.Spreading; s != nil {
		t.gauge("spreading_queue_depth", "Spreads that wait for a worker.", float64(s.QueueDepth))
	}
	for _, pool := range pools(&r.state) {
		t.gauge("workers", "Workers: how many jobs may run at once.", float64(pool.Workers), "pool", pool.name)
		t.gauge("workers_busy", "Workers that have a job.", float64(pool.Busy), "pool", pool.name)
		t.gauge("queue_limit", "Jobs that may wait for a worker.", float64(pool.QueueLimit), "pool", pool.name)
		t.counter("jobs_refused_total", "Jobs refused because too many waited.", float64(pool.Refused), "pool", pool.name)
		t.counter("jobs_panicked_total", "Jobs that panicked.", float64(pool.Panicked), "pool", pool.name)
	}
	if lag := r.state.ConsolidationLag; lag != nil {
		t.gauge("consolidation_lag_seconds", "Age of the oldest work that consolidation has not done.", lag.Seconds())
	}
	if f := r.state.InFlight; f != nil {
		const help = "Operations under way."
		t.gauge("operations_in_flight", help, float64(f.Reads), "kind", "read")
		t.gauge("operations_in_flight", help, float64(f.Writes), "kind", "write")
	}
	known(t, "spaces", "Spaces.", r.state.Spaces)
	known(t, "memories", "Memories of all spaces.", r.state.Memories)
	known(t, "edges", "Edges of all spaces.", r.state.Edges)
	if r.state.Maintenance != nil {
		t.gauge("maintenance", "1 in maintenance mode: no writes are taken.", number(*r.state.Maintenance))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (t teller) operations(r *reading, ops *Operations) {
	for op := range operations {
		t.histogram(op, r.tally, ops)
		for k := range kinds {
			if n := r.tally.errors[op][k]; n > 0 {
				t.counter("operation_errors_total", "Operations that failed, by what they failed of.", float64(n), "operation", op.String(), "kind", k.String())
			}
		}
	}
	rec := r.recent
	if rec == nil {
		return
	}
	for op, l := range rec.latency {
		const help = "P99 of the last minute, in ms; off by at most 9 %. Absent without operations. engram_operation_duration_seconds has it in base units."
		t.gauge("p99_latency_ms", help, milliseconds(l.p99), "operation", op.String())
	}
	if rec.asked > 0 {
		t.gauge("error_ratio", "Share of the requests of the last minute that the node failed.", rec.ratio())
	}
	t.gauge("errors_per_second", "Requests a second that the node failed, in the last minute.", float64(rec.faults)/rec.over.Seconds())
}

// ratio is the share of requests that failed.
func (r *recentReading) ratio() float64 { return float64(r.faults) / float64(r.asked) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
