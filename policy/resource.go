package policy

// A Resource is something of which a target has an amount. A part after a dot names one of several
// amounts of the same kind.
type Resource string

// The resources, each with the unit of its quantities.
const (
	CPU                  Resource = "cpu"                   // thousandths of a core
	Memory               Resource = "memory"                // bytes
	Storage              Resource = "storage"               // bytes
	Replicas             Resource = "replicas"              // a count
	ThreadsSpreading     Resource = "threads.spreading"     // a count
	ThreadsConsolidation Resource = "threads.consolidation" // a count
	CPUs                 Resource = "cpus"                  // a set of processors, and the memory nodes they belong to
	TiersHotThreshold    Resource = "tiers.hot_threshold"   // millionths of full activation
	TiersWarmThreshold   Resource = "tiers.warm_threshold"  // millionths of full activation
	TiersHotTierSize     Resource = "tiers.hot_tier_size"   // bytes
)

// The operations: changes without a size, which can be repeated forward but not undone.
const (
	EvictNow Resource = "tiers.evict"
	Compact  Resource = "storage.compact"
	Prune    Resource = "storage.prune"
	Archive  Resource = "storage.archive"
	Retain   Resource = "storage.retain" // seconds of write-ahead log to keep
)

// IsOperation reports whether r has no size: doing it again only repeats it.
func (r Resource) IsOperation() bool {
	switch r {
	case EvictNow, Compact, Prune, Archive:
		return true
	}
	return false
}

// Resources lists every resource that has a size or can be operated on, in the order in which changes
// of several are made: tiers come before memory.
func Resources() []Resource {
	return []Resource{
		TiersHotThreshold, TiersWarmThreshold, TiersHotTierSize, EvictNow,
		CPU, CPUs, Memory, ThreadsSpreading, ThreadsConsolidation, Replicas,
		Storage, Compact, Retain, Prune, Archive,
	}
}
