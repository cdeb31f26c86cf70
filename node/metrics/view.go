package metrics

import (
	"time"

	"github.com/engramd/engramd/node/tier"
)

// A view is the sections of the JSON. What is nil is not known; unknown says why, where there is a reason.
type view struct {
	At            time.Time         `json:"at"`
	CPU           cpuView           `json:"cpu"`
	Memory        memoryView        `json:"memory"`
	Latency       latencyView       `json:"latency"`
	Spreading     *poolView         `json:"spreading"`
	Consolidation consolidationView `json:"consolidation"`
	Errors        errorsView        `json:"errors"`
	Operations    operationsView    `json:"operations"`
	Tiers         *tiersView        `json:"tiers"`
	Eviction      *evictionView     `json:"eviction"`
	Storage       storageView       `json:"storage"`
	Maintenance   *bool             `json:"maintenance"`
	Unknown       map[string]string `json:"unknown,omitempty"`
}

type cpuView struct {
	UtilizationPercent *float64 `json:"utilization_percent"` // of the limit
	LimitCores         *float64 `json:"limit_cores"`
}

type memoryView struct {
	UsagePercent       *float64 `json:"usage_percent"` // of the limit
	UsedBytes          *int64   `json:"used_bytes"`
	LimitBytes         *int64   `json:"limit_bytes"`
	Limit              string   `json:"limit,omitempty"` // whose it is
	Pressure           string   `json:"pressure,omitempty"`
	HotTierBytes       *int64   `json:"hot_tier_bytes"`
	IndexBytes         *int64   `json:"index_bytes"`
	MemtableBytes      *int64   `json:"memtable_bytes"`
	OtherBytes         *int64   `json:"other_bytes"`
	AllocationFailures uint64   `json:"allocation_failures_total"`
}

type latencyView struct {
	// P99 is that of the slowest kind of request, which Slowest names.
	P99           *float64                 `json:"p99_ms"`
	Slowest       string                   `json:"slowest_operation,omitempty"`
	WindowSeconds *float64                 `json:"window_seconds"`
	Operations    map[string]operationView `json:"operations"`
}

type operationView struct {
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	PerSecond float64 `json:"per_sec"`
}

type poolView struct {
	QueueDepth int    `json:"queue_depth"`
	QueueLimit int    `json:"queue_limit"`
	Workers    int    `json:"workers"`
	Busy       int    `json:"busy"`
	Refused    uint64 `json:"refused_total"`
}

type consolidationView struct {
	LagSeconds *float64 `json:"lag_seconds"`
	*poolView
}

type errorsView struct {
	RatePerSecond *float64          `json:"rate_per_sec"`
	Percentage    *float64          `json:"percentage"` // of the requests of the same time
	ByKind        map[string]uint64 `json:"by_kind_total"`
}

type operationsView struct {
	InFlight map[string]int64  `json:"in_flight"`
	Total    map[string]uint64 `json:"total"`
}

type tiersView struct {
	Distribution tier.Distribution `json:"distribution"`
	HotRatio     float64           `json:"hot_ratio"`
	HotHits      int64             `json:"hot_hits_total"`
	HotMisses    int64             `json:"hot_misses_total"`
	HotRecords   int64             `json:"hot_cache_records"`
}

type evictionView struct {
	PerSecond map[string]float64 `json:"rate_per_sec"`
	Total     map[string]uint64  `json:"total"`
	// Pending is how many memories are hotter than the settings want them.
	Pending       map[string]int64 `json:"pending"`
	Migrating     bool             `json:"migrating"`
	Owner         string           `json:"owner"`
	Enabled       bool             `json:"enabled"`
	HotThreshold  float64          `json:"hot_threshold"`
	WarmThreshold float64          `json:"warm_threshold"`
	HotMaxRatio   float64          `json:"hot_max_ratio"`
	WarmMaxRatio  float64          `json:"warm_max_ratio"`
	Pressure      string           `json:"memory_pressure"`
	Exhausted     bool             `json:"exhausted"` // nothing is left to evict
}

type storageView struct {
	UsageBytes          map[string]int64 `json:"usage_bytes"`
	LimitBytes          *int64           `json:"limit_bytes"`
	UsagePercent        *float64         `json:"usage_percent"`
	AvailableBytes      *int64           `json:"available_bytes"`
	WALBytes            *int64           `json:"wal_bytes"`
	PendingSegments     *int             `json:"pending_segments"`
	ReadOnly            string           `json:"read_only,omitempty"` // why
	IOPS                *float64         `json:"iops"`
	IOPSUtilizedPercent *float64         `json:"iops_utilized_percent"`
	IOPSCeiling         *float64         `json:"iops_ceiling"`
	IOPSCeilingSource   string           `json:"iops_ceiling_source,omitempty"`
	Snapshots           *int             `json:"snapshots"`
	LastSnapshot        *time.Time       `json:"last_snapshot"`
}

// view puts a reading into sections.
func (m *Metrics) view(r *reading) view {
	v := view{
		At:  r.at.UTC().Truncate(time.Millisecond),
		CPU: cpuView{r.cpuUsed, r.cpuLimit}, Memory: memorySection(r), Latency: latencySection(r),
		Errors: errorsSection(r), Operations: operationsSection(r), Storage: storageSection(r),
		Maintenance: r.state.Maintenance,
	}
	for _, p := range pools(&r.state) {
		section := &poolView{p.QueueDepth, p.QueueLimit, p.Workers, p.Busy, p.Refused}
		if p.PoolStats == r.state.Spreading {
			v.Spreading = section
		} else {
			v.Consolidation.poolView = section
		}
	}
	if lag := r.state.ConsolidationLag; lag != nil {
		v.Consolidation.LagSeconds = new(lag.Seconds())
	}
	if s := r.state.Tiers; s != nil {
		v.Tiers = &tiersView{s.Distribution, hotRatio(s), s.Hits, s.Misses, s.HotResident.Records}
		v.Eviction = evictionSection(s)
	}
	for what, err := range r.unknown {
		if v.Unknown == nil {
			v.Unknown = map[string]string{}
		}
		v.Unknown[what] = err.Error()
	}
	return v
}

func memorySection(r *reading) memoryView {
	var v memoryView
	for op := range operations {
		v.AllocationFailures += r.tally.errors[op][NoMemory]
	}
	if m := r.memory; m != nil {
		v.UsagePercent, v.UsedBytes, v.LimitBytes = new(100*m.bound.Ratio()), &m.bound.UsedBytes, &m.bound.LimitBytes
		v.Limit, v.Pressure = m.bound.Name, m.level.String()
		v.HotTierBytes, v.IndexBytes, v.MemtableBytes, v.OtherBytes = m.hot, m.index, m.memtable, &m.other
	}
	return v
}

func latencySection(r *reading) latencyView {
	v := latencyView{Operations: map[string]operationView{}}
	rec := r.recent
	if rec == nil {
		return v
	}
	v.WindowSeconds = new(rec.over.Seconds())
	for op, l := range rec.latency {
		v.Operations[op.String()] = operationView{milliseconds(l.p50), milliseconds(l.p99), float64(l.count) / rec.over.Seconds()}
	}
	if rec.worst != nil {
		v.P99, v.Slowest = new(milliseconds(rec.latency[*rec.worst].p99)), rec.worst.String()
	}
	return v
}

func errorsSection(r *reading) errorsView {
	v := errorsView{ByKind: map[string]uint64{}}
	for op := range operations {
		for k := range kinds {
			if n := r.tally.errors[op][k]; n > 0 {
				v.ByKind[k.String()] += n
			}
		}
	}
	if rec := r.recent; rec != nil {
		v.RatePerSecond = new(float64(rec.faults) / rec.over.Seconds())
		if rec.asked > 0 {
			v.Percentage = new(100 * rec.ratio())
		}
	}
	return v
}

func operationsSection(r *reading) operationsView {
	v := operationsView{Total: map[string]uint64{}}
	for op := range operations {
		if n := total(r.tally.counts[op]); n > 0 {
			v.Total[op.String()] = n
		}
	}
	if f := r.state.InFlight; f != nil {
		v.InFlight = map[string]int64{"read": f.Reads, "write": f.Writes}
	}
	return v
}

func evictionSection(s *tier.Stats) *evictionView {
	policy := s.Settings.Policy
	v := &evictionView{
		PerSecond: map[string]float64{}, Total: map[string]uint64{},
		Pending: map[string]int64{
			tier.Hot.String():  max(0, s.Distribution.Hot-s.Desired.Hot),
			tier.Warm.String(): max(0, s.Distribution.Hot+s.Distribution.Warm-s.Desired.Hot-s.Desired.Warm),
		},
		Migrating: s.Migrating, Owner: s.Owner, Enabled: policy.Enabled,
		HotThreshold: policy.Hot.Threshold, WarmThreshold: policy.Warm.Threshold,
		HotMaxRatio: policy.Hot.MaxRatio, WarmMaxRatio: policy.Warm.MaxRatio,
		Pressure: s.Pressure, Exhausted: s.Exhausted,
	}
	for _, m := range s.Moves {
		if m.To > m.From {
			way := m.From.String() + "_to_" + m.To.String()
			v.PerSecond[way], v.Total[way] = m.PerSecond, m.Total
		}
	}
	return v
}

func storageSection(r *reading) storageView {
	v := storageView{IOPS: r.iops, IOPSCeiling: r.iopsLimit, IOPSCeilingSource: r.iopsSource}
	if r.disk != nil {
		stored, base := r.storedBytes()
		v.UsageBytes = map[string]int64{
			"base": base, "vectors": r.disk.vectors, "wal": r.disk.wal, "snapshots": r.disk.snapshots, "other": r.disk.other,
		}
		if stored != nil {
			for _, of := range byTier(*stored) {
				v.UsageBytes[of.tier] = of.n
			}
		}
		limit := r.disk.sum() + r.disk.available
		v.LimitBytes, v.AvailableBytes = &limit, &r.disk.available
		if limit > 0 {
			v.UsagePercent = new(100 * float64(r.disk.sum()) / float64(limit))
		}
	}
	if r.iops != nil && r.iopsLimit != nil {
		v.IOPSUtilizedPercent = new(100 * *r.iops / *r.iopsLimit)
	}
	if s := r.state.Store; s != nil {
		v.WALBytes, v.PendingSegments = &s.WAL.DiskBytes, &s.WAL.SealedPending
		if s.ReadOnly != nil {
			v.ReadOnly = s.ReadOnly.Error()
		}
	}
	if s := r.state.Snapshots; s != nil {
		v.Snapshots = &s.Count
		if !s.LastSuccess.IsZero() {
			v.LastSnapshot = &s.LastSuccess
		}
	}
	return v
}
