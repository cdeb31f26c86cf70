package capacity

import "fmt"

// Measured is what a running node shows of itself: /api/v1/admin/storage/stats, and its process. What is nil was not shown, and leaves
// the model's constant alone.
type Measured struct {
	Source string // such as the node's URL; it becomes the constants' source

	Memories int64
	Edges    *int64
	Hot      *int64 // memories with a copy on the heap: hot_resident

	IndexBytes  *int64 // index_bytes: ids, versions, tiers and edges of all memories
	HotBytes    *int64 // hot_resident: what the copies take
	BufferBytes *int64 // memtable_bytes
	AnonBytes   *int64 // RssAnon of the process

	BaseBytes   *int64 // file_bytes of all spaces
	VectorBytes *int64 // vector_file_bytes of all spaces
	LogBytes    *int64 // wal.disk_bytes
}

// Apply returns model with its constants replaced by those that d shows. They hold for the mix of tiers that was measured: what the files
// take is spread evenly over all memories. Fewer memories than a thousand say little, and are refused.
func (d Measured) Apply(model Model) (Model, error) {
	const enough = 1000
	if d.Memories < enough {
		return model, fmt.Errorf("%w: measure a node with at least %d memories; it has %d", ErrImpossible, enough, d.Memories)
	}
	if err := d.validate(); err != nil {
		return model, err
	}
	model.Name = "measured"
	d.applyMemory(&model)
	d.applyStorage(&model)
	return model, model.validate()
}

func (d Measured) validate() error {
	var c checks
	for name, v := range map[string]*int64{
		"edges": d.Edges, "hot": d.Hot, "index_bytes": d.IndexBytes, "hot_bytes": d.HotBytes, "memtable_bytes": d.BufferBytes,
		"rss_anon": d.AnonBytes, "file_bytes": d.BaseBytes, "vector_file_bytes": d.VectorBytes, "wal_bytes": d.LogBytes,
	} {
		if v != nil && *v < 0 {
			c.fault("%s: %d is negative", name, *v)
		}
	}
	return c.err()
}

func (d Measured) applyMemory(m *Model) {
	source := d.source()
	if d.IndexBytes != nil {
		perMemory, perEdge := d.split(*d.IndexBytes, m.EdgeBytes.Value)
		m.IndexBytes = m.IndexBytes.becomes(perMemory, source)
		m.EdgeBytes = m.EdgeBytes.becomes(perEdge, source)
	}
	if d.HotBytes != nil && d.Hot != nil && *d.Hot > 0 {
		m.HotBytes = m.HotBytes.becomes(float64(*d.HotBytes)/float64(*d.Hot), source)
		m.HotExtraBytes = m.HotExtraBytes.becomes(0, "in hot_bytes, as measured")
	}
	if d.BufferBytes != nil {
		m.BufferBytes = m.BufferBytes.becomes(float64(*d.BufferBytes), source)
	}
	d.applyHeap(m)
}

// applyHeap finds what the collector adds: the process's memory without what does not grow with the memories, to what is alive.
func (d Measured) applyHeap(m *Model) {
	if d.AnonBytes == nil || d.IndexBytes == nil || d.HotBytes == nil {
		return
	}
	anon, alive := float64(*d.AnonBytes), float64(*d.IndexBytes)+float64(*d.HotBytes)
	if alive == 0 {
		return
	}
	rest := anon - m.RuntimeBytes.Value - m.BufferBytes.Value
	if factor := rest / alive; factor >= 1 {
		m.HeapFactor = m.HeapFactor.becomes(factor, d.source())
		return
	}
	// The node takes less than what the process and its writes are said to take: all that is not alive is theirs.
	m.HeapFactor = m.HeapFactor.becomes(1, d.source())
	m.BufferBytes = m.BufferBytes.becomes(0, "in runtime_bytes, as measured")
	m.RuntimeBytes = m.RuntimeBytes.becomes(max(0, anon-alive), d.source())
}

func (d Measured) applyStorage(m *Model) {
	source := d.source()
	if d.BaseBytes != nil {
		perMemory, perEdge := d.split(*d.BaseBytes, m.EdgeDiskBytes.Value)
		for _, c := range []*Constant{&m.HotDiskBytes, &m.WarmDiskBytes, &m.ColdDiskBytes} {
			*c = c.becomes(perMemory, source)
		}
		m.WarmDiskFactor = m.WarmDiskFactor.becomes(1, "in the bytes on disk, as measured")
		m.ColdDiskFactor = m.ColdDiskFactor.becomes(1, "in the bytes on disk, as measured")
		m.EdgeDiskBytes = m.EdgeDiskBytes.becomes(perEdge, source)
	}
	if d.VectorBytes != nil {
		perMemory := float64(*d.VectorBytes) / float64(d.Memories)
		m.VectorDiskBytes = m.VectorDiskBytes.becomes(perMemory, source)
		m.CacheBytes = m.CacheBytes.becomes(perMemory, source)
	}
	if d.LogBytes != nil {
		// A log that was just released is small; what was seen can only show that the limit is too low.
		m.LogLimitBytes = m.LogLimitBytes.becomes(max(m.LogLimitBytes.Value, float64(*d.LogBytes)), source)
	}
}

// split gives each edge the bytes that the model says, and each memory an even share of the rest. Where edges would take all, they are
// not told apart.
func (d Measured) split(total int64, perEdge float64) (memory, edge float64) {
	if d.Edges == nil {
		return float64(total) / float64(d.Memories), 0
	}
	rest := float64(total) - float64(*d.Edges)*perEdge
	if rest < 0 {
		return 0, float64(total) / float64(*d.Edges)
	}
	return rest / float64(d.Memories), perEdge
}

func (d Measured) source() string {
	if d.Source == "" {
		return "measured on a running node"
	}
	return "measured on " + d.Source
}
