package metrics

import "github.com/engramd/engramd/node/tier"

func memorySection(r *reading) memoryView {
	var v memoryView
	for op := range operations {
		v.AllocationFailures += r.tally.errors[op][NoMemory]
	}
	m := r.memory
	v.HotTierBytes, v.IndexBytes, v.MemtableBytes, v.OtherBytes = m.hot, m.index, m.memtable, m.other
	if m.bound != nil {
		v.UsagePercent, v.UsedBytes, v.LimitBytes = new(100*m.bound.Ratio()), &m.bound.UsedBytes, &m.bound.LimitBytes
		v.Limit, v.Pressure = m.bound.Name, m.level.String()
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
