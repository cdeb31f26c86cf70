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
