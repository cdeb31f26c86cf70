package capacity

const (
	fromGuide = "the scaling guide's calculator"
	noTerm    = "the scaling guide's calculator has no such term"
)

// Guide is the model of the scaling guide, with its faults: it gives what the guide's calculator gives.
func Guide() Model {
	is := func(value float64, unit string) Constant { return Constant{value, unit, fromGuide} }
	none := func(unit string) Constant { return Constant{0, unit, noTerm} }
	one := func(unit string) Constant { return Constant{1, unit, noTerm} }
	return Model{
		Name:          "guide",
		WarmPerHot:    is(3, "warm memories to a hot one"),
		WarmUnlimited: is(1, "1: warm is a multiple of hot even where fewer memories are left; 0: never more than are left"),

		HotBytes:        is(3072, "bytes a hot memory: 768 float32"),
		HotExtraBytes:   is(64, "bytes a hot memory beside its content"),
		HotEdgeBytes:    is(32, "bytes an edge of a hot memory"),
		HotFactor:       is(1.5, "times what hot memories take"),
		WarmBytes:       is(3072, "bytes a warm memory"),
		WarmResident:    is(0.1, "of the warm bytes resident"),
		ColdFilterBits:  is(10, "bits of filter a cold memory"),
		ColdBlock:       is(128, "cold memories a block"),
		ColdBlockBytes:  is(64, "bytes of index a block"),
		IndexBytes:      none("bytes a memory of whatever tier"),
		EdgeBytes:       none("bytes an edge of whatever tier"),
		HeapFactor:      one("times what lives on the heap"),
		ActivationShare: is(0.01, "of the operations a second at work at once"),
		ActivationBytes: is(8192, "bytes of activation pool an operation at work"),
		BufferBytes:     none("bytes of writes that are not in a file yet"),
		RuntimeBytes:    is(500<<20, "bytes of the process itself"),
		CacheBytes:      none("bytes of files a memory"),
		CacheShare:      none("of the files worth keeping in the page cache"),

		MemoryRecommended: is(1.25, "times what is needed"),
		MemoryPeak:        is(1.5, "times what is needed"),

		ReadsPerCore:         is(2500, "reads a second and core"),
		ConsolidatedHot:      is(1, "times hot memories × share of writes, a round of consolidation"),
		ConsolidatedAll:      none("times all memories, a round of consolidation"),
		ConsolidationPerCore: is(50000, "memories consolidated a second and core"),
		ActivationsPerCore:   is(5000, "operations a second and core"),
		BaseCores:            is(1, "cores for the rest"),
		CoresHeadroom:        is(1.5, "times what is needed"),

		HotDiskBytes:     none("bytes on disk a hot memory"),
		WarmDiskBytes:    is(3136, "bytes on disk a warm memory"),
		WarmDiskFactor:   is(1.3, "times the bytes of hot and warm memories"),
		ColdDiskBytes:    is(3072, "bytes a cold memory before compression"),
		ColdDiskFactor:   is(0.4, "times the bytes of cold memories"),
		VectorDiskBytes:  none("bytes of vector file a memory"),
		EdgeDiskBytes:    none("bytes on disk an edge"),
		LogRecordBytes:   is(256, "bytes of log a write"),
		LogFactor:        is(0.7, "times the bytes of log"),
		LogLimitBytes:    none("bytes of log at most; 0: without a limit"),
		SnapshotCopies:   is(5, "snapshots kept"),
		SnapshotShare:    is(0.3, "of the data a snapshot"),
		CompactionShare:  is(0.1, "of the data, free for compaction"),
		StorageHeadroom:  is(1.5, "times what is needed"),
		WriteIOPS:        is(1.5, "disk operations a write"),
		ReadIOPS:         is(0.3, "disk operations a read"),
		RequestBytes:     is(512, "bytes a request"),
		AnswerBytes:      is(4096, "bytes an answer"),
		WriteVectorBytes: none("bytes of vector in a write"),
	}
}
