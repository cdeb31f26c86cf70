package capacity

// Memory is what the process holds, in bytes, and what to give it.
type Memory struct {
	Hot        int64 `json:"hot_bytes"`
	Warm       int64 `json:"warm_bytes"`
	Cold       int64 `json:"cold_bytes"`
	Index      int64 `json:"index_bytes"` // ids, tiers and edges of all memories; not in the guide
	Activation int64 `json:"activation_bytes"`
	Runtime    int64 `json:"runtime_bytes"` // the process itself, and writes that wait
	// Needed is the sum by the profile: memory that only eviction gives back.
	Needed int64 `json:"needed_bytes"`
	// PageCache is worth having beside it, and the kernel's to take back.
	PageCache   int64 `json:"page_cache_bytes"`
	Recommended int64 `json:"recommended_bytes"` // with PageCache
	Peak        int64 `json:"peak_bytes"`        // with PageCache
}

func (r *reckoning) memory() Memory {
	m := &r.m
	edges := r.w.EdgesPerMemory
	heap := m.HeapFactor.Value * r.p.Memory

	hot := (r.hot*(m.HotBytes.Value+m.HotExtraBytes.Value) + r.hot*edges*m.HotEdgeBytes.Value) * m.HotFactor.Value * heap
	warm := r.warm * m.WarmBytes.Value * m.WarmResident.Value * heap
	cold := (r.cold*m.ColdFilterBits.Value/8 + r.cold/m.ColdBlock.Value*m.ColdBlockBytes.Value) * heap
	index := r.w.Memories * (m.IndexBytes.Value + edges*m.EdgeBytes.Value) * heap
	activation := r.w.OpsPerSec * m.ActivationShare.Value * m.ActivationBytes.Value * r.p.Memory
	runtime := (m.BufferBytes.Value + m.RuntimeBytes.Value) * r.p.Memory

	needed := hot + warm + cold + index + activation + runtime
	cache := r.w.Memories * m.CacheBytes.Value * m.CacheShare.Value
	return Memory{
		Hot: r.whole("hot memory", hot), Warm: r.whole("warm memory", warm), Cold: r.whole("cold memory", cold),
		Index: r.whole("index", index), Activation: r.whole("activation pool", activation), Runtime: r.whole("runtime", runtime),
		Needed: r.whole("memory", needed), PageCache: r.whole("page cache", cache),
		Recommended: r.whole("memory", needed*m.MemoryRecommended.Value+cache),
		Peak:        r.whole("memory at its peak", needed*m.MemoryPeak.Value+cache),
	}
}
