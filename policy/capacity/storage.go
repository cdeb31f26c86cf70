package capacity

// Storage is what the files take, in bytes, and what to give them.
type Storage struct {
	Hot     int64 `json:"hot_bytes"`
	Warm    int64 `json:"warm_bytes"`
	Cold    int64 `json:"cold_bytes"`
	Vectors int64 `json:"vectors_bytes"`
	Edges   int64 `json:"edges_bytes"`
	// Data is the sum of these: what a snapshot copies.
	Data        int64 `json:"data_bytes"`
	Log         int64 `json:"log_bytes"`
	Snapshots   int64 `json:"snapshots_bytes"`
	Compaction  int64 `json:"compaction_bytes"`
	Needed      int64 `json:"needed_bytes"`
	Recommended int64 `json:"recommended_bytes"`
}

const secondsPerDay = 86400

func (r *reckoning) storage() Storage {
	m := &r.m
	hot := r.hot * m.HotDiskBytes.Value * m.WarmDiskFactor.Value
	warm := r.warm * m.WarmDiskBytes.Value * m.WarmDiskFactor.Value
	cold := r.cold * m.ColdDiskBytes.Value * m.ColdDiskFactor.Value
	vectors := r.w.Memories * m.VectorDiskBytes.Value
	edges := r.w.Memories * r.w.EdgesPerMemory * m.EdgeDiskBytes.Value

	data := hot + warm + cold + vectors + edges
	log := r.log()
	snapshots := data * m.SnapshotCopies.Value * m.SnapshotShare.Value
	compaction := data * m.CompactionShare.Value
	needed := data + log + snapshots + compaction
	return Storage{
		Hot: r.whole("hot storage", hot), Warm: r.whole("warm storage", warm), Cold: r.whole("cold storage", cold),
		Vectors: r.whole("vectors", vectors), Edges: r.whole("edges", edges), Data: r.whole("data", data),
		Log: r.whole("log", log), Snapshots: r.whole("snapshots", snapshots), Compaction: r.whole("compaction", compaction),
		Needed: r.whole("storage", needed), Recommended: r.whole("storage", needed*m.StorageHeadroom.Value),
	}
}

func (r *reckoning) log() float64 {
	written := r.w.OpsPerSec * r.p.Write * secondsPerDay * r.w.RetentionDays
	bytes := written * r.m.LogRecordBytes.Value * r.m.LogFactor.Value * r.p.Log
	if limit := r.m.LogLimitBytes.Value; limit > 0 {
		return min(bytes, limit)
	}
	return bytes
}
