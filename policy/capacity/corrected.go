package capacity

// The sizes of a memory that the corrected model assumes where nothing was measured.
const (
	contentBytes = 200     // as in docs/benchmarks.md
	vectorBytes  = 768 * 4 // the guide's own 3,072 bytes
)

// Corrected is the model of the node as it is. Every constant that is not the guide's says why.
func Corrected() Model {
	m := Guide()
	m.Name = "corrected"
	m.WarmUnlimited = m.WarmUnlimited.becomes(0, "from an active_ratio of 0.25 on the guide counts more memories than there are")
	m.correctMemory()
	m.correctCores()
	m.correctStorage()
	return m
}

func (m *Model) correctMemory() {
	m.HotBytes = m.HotBytes.becomes(contentBytes, "a copy on the heap is the record of 200 bytes; its vector stays in the mapped file (node/vector)")
	m.HotExtraBytes = m.HotExtraBytes.becomes(150, "entry of the cache, its key, its decoded head (an estimate; --measure replaces it)")
	m.HotEdgeBytes = m.HotEdgeBytes.becomes(0, "the edges of all memories are resident, whatever their tier: edge_bytes")
	m.HotFactor = m.HotFactor.becomes(1, "the collector's share is heap_factor, for all that is on the heap")
	m.WarmResident = m.WarmResident.becomes(0, "warm memories are read through the file's map: page cache, not memory of the process")
	m.ColdFilterBits = m.ColdFilterBits.becomes(0, "there is no filter: the index knows every id")
	m.ColdBlockBytes = m.ColdBlockBytes.becomes(0, "there are no blocks: cold memories are compressed one by one")
	m.IndexBytes = m.IndexBytes.becomes(93, "a memory of any tier: row 16, slot 16, id 16 (node/store), tier and access 21 (node/tier), graph 8 (node/graph), vector 16 (node/vector)")
	m.EdgeBytes = m.EdgeBytes.becomes(10, "6 bytes forward, 4 back (node/graph)")
	m.HeapFactor = m.HeapFactor.becomes(2, "Go's collector lets the heap double (GOGC 100); measured 330 to 585 MB for 180 to 230 MB alive")
	m.BufferBytes = m.BufferBytes.becomes(64<<20, "a checkpoint begins when 64 MiB of writes wait (node/store)")
	m.RuntimeBytes = m.RuntimeBytes.becomes(32<<20, "a process without memories: 28 MB measured (docs/benchmarks.md)")
	m.CacheBytes = m.CacheBytes.becomes(vectorBytes+32, "a search looks at every vector, in a mapped file; a slot is 32 bytes more (node/vector)")
	m.CacheShare = m.CacheShare.becomes(1, "an exact search reads all vectors; less memory makes it as slow as the disk")
}

func (m *Model) correctCores() {
	m.ConsolidatedHot = m.ConsolidatedHot.becomes(0, "a round reads every memory once, not the hot ones that were written (node/consolidate)")
	m.ConsolidatedAll = m.ConsolidatedAll.becomes(1, "a round reads every memory once (node/consolidate)")
}

func (m *Model) correctStorage() {
	const slot = "the record; its vector is in a file of its own: vector_disk_bytes"
	m.HotDiskBytes = m.HotDiskBytes.becomes(contentBytes+64, "hot memories are on disk too; the guide forgets them")
	m.WarmDiskBytes = m.WarmDiskBytes.becomes(contentBytes+64, slot)
	m.ColdDiskBytes = m.ColdDiskBytes.becomes(contentBytes+64, slot)
	m.ColdDiskFactor = m.ColdDiskFactor.becomes(0.5, "zstd with a trained dictionary: 0.50 of 200 bytes; vectors are not compressed")
	m.VectorDiskBytes = m.VectorDiskBytes.becomes(vectorBytes+32, "a vector and the head of its slot (node/vector), whatever the tier")
	m.EdgeDiskBytes = m.EdgeDiskBytes.becomes(10, "one value a source holds its edges (node/store)")
	m.LogRecordBytes = m.LogRecordBytes.becomes(contentBytes+vectorBytes+56, "a record of the log carries the vector; 256 bytes ignore it")
	m.LogFactor = m.LogFactor.becomes(1, "the log is not compressed")
	m.LogLimitBytes = m.LogLimitBytes.becomes(1<<30, "segments go once they are checkpointed (node/wal): writes that wait, at most 256 MiB kept, open and spare ones, about 1 GiB in all; 30 days of log are kept nowhere")
	m.SnapshotCopies = m.SnapshotCopies.becomes(9, "the last five, and one for each of four weeks (node/snapshot)")
	m.SnapshotShare = m.SnapshotShare.becomes(1, "a snapshot is a whole copy of base and vectors (node/snapshot)")
	m.CompactionShare = m.CompactionShare.becomes(1, "a compaction writes a second base beside the first (node/store)")
	m.WriteVectorBytes = m.WriteVectorBytes.becomes(4096, "a write brings its vector: 3,072 bytes are 4,096 in base64")
}
