package capacity

// A Model is every constant of the formulas. A constant that is zero takes its term out of them.
type Model struct {
	Name string `json:"name"`

	// How many memories are warm.
	WarmPerHot    Constant `json:"warm_per_hot"`
	WarmUnlimited Constant `json:"warm_unlimited"` // 1: there may be more warm memories than are left

	// Memory of the process. All of it but the activation pool, the write buffer and the runtime is multiplied by HeapFactor.
	HotBytes        Constant `json:"hot_bytes"`
	HotExtraBytes   Constant `json:"hot_extra_bytes"`
	HotEdgeBytes    Constant `json:"hot_edge_bytes"`
	HotFactor       Constant `json:"hot_factor"`
	WarmBytes       Constant `json:"warm_bytes"`
	WarmResident    Constant `json:"warm_resident"`
	ColdFilterBits  Constant `json:"cold_filter_bits"`
	ColdBlock       Constant `json:"cold_block"`
	ColdBlockBytes  Constant `json:"cold_block_bytes"`
	IndexBytes      Constant `json:"index_bytes"`
	EdgeBytes       Constant `json:"edge_bytes"`
	HeapFactor      Constant `json:"heap_factor"`
	ActivationShare Constant `json:"activation_share"`
	ActivationBytes Constant `json:"activation_bytes"`
	BufferBytes     Constant `json:"buffer_bytes"`
	RuntimeBytes    Constant `json:"runtime_bytes"`

	// Page cache, which the kernel takes back: it gets no headroom.
	CacheBytes Constant `json:"cache_bytes"`
	CacheShare Constant `json:"cache_share"`

	MemoryRecommended Constant `json:"memory_recommended"`
	MemoryPeak        Constant `json:"memory_peak"`

	// Cores.
	ReadsPerCore         Constant `json:"reads_per_core"`
	ConsolidatedHot      Constant `json:"consolidated_hot"`
	ConsolidatedAll      Constant `json:"consolidated_all"`
	ConsolidationPerCore Constant `json:"consolidation_per_core"`
	ActivationsPerCore   Constant `json:"activations_per_core"`
	BaseCores            Constant `json:"base_cores"`
	CoresHeadroom        Constant `json:"cores_headroom"`

	// Storage.
	HotDiskBytes     Constant `json:"hot_disk_bytes"`
	WarmDiskBytes    Constant `json:"warm_disk_bytes"`
	WarmDiskFactor   Constant `json:"warm_disk_factor"`
	ColdDiskBytes    Constant `json:"cold_disk_bytes"`
	ColdDiskFactor   Constant `json:"cold_disk_factor"`
	VectorDiskBytes  Constant `json:"vector_disk_bytes"`
	EdgeDiskBytes    Constant `json:"edge_disk_bytes"`
	LogRecordBytes   Constant `json:"log_record_bytes"`
	LogFactor        Constant `json:"log_factor"`
	LogLimitBytes    Constant `json:"log_limit_bytes"` // 0: what the retention makes, without a limit
	SnapshotCopies   Constant `json:"snapshot_copies"`
	SnapshotShare    Constant `json:"snapshot_share"`
	CompactionShare  Constant `json:"compaction_share"`
	StorageHeadroom  Constant `json:"storage_headroom"`
	WriteIOPS        Constant `json:"write_iops"`
	ReadIOPS         Constant `json:"read_iops"`
	RequestBytes     Constant `json:"request_bytes"`
	AnswerBytes      Constant `json:"answer_bytes"`
	WriteVectorBytes Constant `json:"write_vector_bytes"`
}

// With returns m with another value for the constant of a name, and where that value comes from.
func (m Model) With(name string, value float64, source string) (Model, error) {
	err := replace(&m, name, value, source)
	return m, err
}

// Constants returns all constants by name.
func (m Model) Constants() map[string]Constant {
	out := map[string]Constant{}
	for name, c := range constants(&m) {
		out[name] = *c
	}
	return out
}

// validate refuses constants that the formulas cannot be used with.
func (m Model) validate() error {
	var c checks
	for name, k := range constants(&m) {
		c.amount(name, k.Value)
	}
	for name, k := range map[string]Constant{
		"cold_block": m.ColdBlock, "reads_per_core": m.ReadsPerCore,
		"consolidation_per_core": m.ConsolidationPerCore, "activations_per_core": m.ActivationsPerCore,
	} {
		if k.Value == 0 {
			c.fault("%s: it is zero, and is divided by", name)
		}
	}
	return c.err()
}
