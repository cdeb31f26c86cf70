package capacity

import "math"

// A Shape is what one memory is like.
type Shape struct {
	ContentBytes float64 `json:"content_bytes"`
	Dimension    float64 `json:"vector_dim"` // 0: no vectors
}

// DefaultShape is what is assumed where nobody says: the content of docs/benchmarks.md, and the guide's 3,072 bytes of vector.
func DefaultShape() Shape { return Shape{ContentBytes: 200, Dimension: 768} }

func (s Shape) vector() float64 { return s.Dimension * 4 }

// slot is what a vector takes in its file: 16 bytes of head, then the vector, in whole 32 bytes.
func (s Shape) slot() float64 {
	if s.Dimension == 0 {
		return 0
	}
	return math.Ceil((16+s.vector())/32) * 32
}

// index is what is resident of a memory of any tier, without its edges.
func (s Shape) index() float64 {
	const ids, tier, graph, vector = 16 + 16 + 16, 21, 8, 16
	if s.Dimension == 0 {
		return ids + tier + graph
	}
	return ids + tier + graph + vector
}

// Corrected is the model of the node as it is, for memories of the default shape. Every constant that is not the guide's says why.
func Corrected() Model { return CorrectedFor(DefaultShape()) }

// CorrectedFor is the model of the node as it is, for memories of a shape.
func CorrectedFor(s Shape) Model {
	m := Guide()
	m.Name = "corrected"
	m.WarmUnlimited = m.WarmUnlimited.becomes(0, "from an active_ratio of 0.25 on the guide counts more memories than there are")
	m.correctMemory(s)
	m.correctCores()
	m.correctStorage(s)
	return m
}

func (m *Model) correctMemory(s Shape) {
	m.HotBytes = m.HotBytes.becomes(s.ContentBytes, "a copy on the heap is the record; its vector stays in the mapped file (node/vector)")
	m.HotExtraBytes = m.HotExtraBytes.becomes(150, "entry of the cache, its key, its decoded head (an estimate; --measure replaces it)")
	m.HotEdgeBytes = m.HotEdgeBytes.becomes(0, "the edges of all memories are resident, whatever their tier: edge_bytes")
	m.HotFactor = m.HotFactor.becomes(1, "the collector's share is heap_factor, for all that is on the heap")
	m.WarmResident = m.WarmResident.becomes(0, "warm memories are read through the file's map: page cache, not memory of the process")
	m.ColdFilterBits = m.ColdFilterBits.becomes(0, "there is no filter: the index knows every id")
	m.ColdBlockBytes = m.ColdBlockBytes.becomes(0, "there are no blocks: cold memories are compressed one by one")
	m.IndexBytes = m.IndexBytes.becomes(s.index(), "a memory of any tier: row 16, slot 16, id 16 (node/store), tier and access 21 (node/tier), graph 8 (node/graph), vector 16, if any (node/vector)")
	m.EdgeBytes = m.EdgeBytes.becomes(10, "6 bytes forward, 4 back (node/graph)")
	m.HeapFactor = m.HeapFactor.becomes(2, "Go's collector lets the heap double (GOGC 100); measured 330 to 585 MB for 180 to 230 MB alive")
	m.BufferBytes = m.BufferBytes.becomes(64<<20, "a checkpoint begins when 64 MiB of writes wait (node/store)")
	m.RuntimeBytes = m.RuntimeBytes.becomes(32<<20, "a process without memories: 28 MB measured (docs/benchmarks.md)")
	m.CacheBytes = m.CacheBytes.becomes(s.slot(), "a search looks at every vector, in a mapped file; a slot is a head of 16 and the vector, in whole 32 bytes (node/vector)")
	m.CacheShare = m.CacheShare.becomes(1, "an exact search reads all vectors; less memory makes it as slow as the disk")
}

func (m *Model) correctCores() {
	m.ConsolidatedHot = m.ConsolidatedHot.becomes(0, "a round reads every memory once, not the hot ones that were written (node/consolidate)")
	m.ConsolidatedAll = m.ConsolidatedAll.becomes(1, "a round reads every memory once (node/consolidate)")
}

func (m *Model) correctStorage(s Shape) {
	const head = 64 // of a record: key, version, times, type (an estimate; --measure replaces it)
	const slot = "the record; its vector is in a file of its own: vector_disk_bytes"
	m.HotDiskBytes = m.HotDiskBytes.becomes(s.ContentBytes+head, "hot memories are on disk too; the guide forgets them")
	m.WarmDiskBytes = m.WarmDiskBytes.becomes(s.ContentBytes+head, slot)
	m.ColdDiskBytes = m.ColdDiskBytes.becomes(s.ContentBytes+head, slot)
	m.ColdDiskFactor = m.ColdDiskFactor.becomes(0.5, "zstd with a trained dictionary: 0.50 of 200 bytes; vectors are not compressed")
	m.VectorDiskBytes = m.VectorDiskBytes.becomes(s.slot(), "a vector and the head of its slot (node/vector), whatever the tier")
	m.EdgeDiskBytes = m.EdgeDiskBytes.becomes(10, "one value a source holds its edges (node/store)")
	m.LogRecordBytes = m.LogRecordBytes.becomes(s.ContentBytes+s.vector()+head, "a record of the log carries the vector; 256 bytes ignore it")
	m.LogFactor = m.LogFactor.becomes(1, "the log is not compressed")
	m.LogLimitBytes = m.LogLimitBytes.becomes(1<<30, "segments go once they are checkpointed (node/wal): writes that wait, at most 256 MiB kept, open and spare ones, about 1 GiB in all; 30 days of log are kept nowhere")
	m.SnapshotCopies = m.SnapshotCopies.becomes(9, "the last five, and one for each of four weeks (node/snapshot)")
	m.SnapshotShare = m.SnapshotShare.becomes(1, "a snapshot is a whole copy of base and vectors (node/snapshot)")
	m.CompactionShare = m.CompactionShare.becomes(1, "a compaction writes a second base beside the first (node/store)")
	m.WriteVectorBytes = m.WriteVectorBytes.becomes(math.Ceil(s.vector()/3)*4, "a write brings its vector, in base64")
}
