package diagnose

// A Cause is what may hold a service back.
type Cause string

// The causes: first what the time goes to, then of what there is too little.
const (
	Spreading     Cause = "spreading"
	Consolidation Cause = "consolidation"
	API           Cause = "api"
	Snapshots     Cause = "snapshots"

	Throttling Cause = "throttling"
	Lock       Cause = "lock"
	CPU        Cause = "cpu"
	Serial     Cause = "serial"
	Memory     Cause = "memory"
	Bandwidth  Cause = "bandwidth"
	NUMA       Cause = "numa"
	Disk       Cause = "disk"
	Network    Cause = "network"
	Load       Cause = "load"
)

// A trait is what is known of a cause beforehand.
type trait struct {
	cause  Cause
	work   bool // what the time goes to, not of what there is too little
	title  string
	remedy string
	// bar is how much has to speak for it before it is likely.
	bar int
	// needs are the measures that tell most of it: named where they are missing.
	needs []Measure
}

// traits lists the causes; where two are equally likely, the earlier one is named first: it explains the
// later one.
var traits = []trait{
	{Spreading, true, "spreading", "Look here first. Add spreading workers where cores are free and no lock is waited for; else let fewer spreads run at once.", 2, []Measure{QueueDepth, SpreadingShare}},
	{Consolidation, true, "consolidation", "Give consolidation cores of its own, or let it run when it is quiet.", 2, []Measure{ConsolidationShare, ConsolidationLag}},
	{API, true, "API overhead", "Batch requests, and keep connections open.", 2, []Measure{APIShare}},
	{Snapshots, true, "snapshot and compaction work", "Take snapshots when it is quiet; give compaction 1-2 cores.", 2, []Measure{SnapshotShare}},

	{Throttling, false, "CPU throttling", "Raise the CPU quota: the host may have cores to spare.", 2, []Measure{Throttled}},
	{Lock, false, "lock contention", "Reduce concurrent operations: more cores or workers only wait for the same lock.", 2, []Measure{LockWaiters}},
	{CPU, false, "CPU saturation", "Add cores in NUMA-friendly increments (2, 4, 8, 16, 32).", 2, []Measure{CPUUse, RunQueue}},
	{Serial, false, "work on too few threads", "More cores stay idle: let the work run on more threads (workers, GOMAXPROCS).", 2, []Measure{BusiestThread}},
	{Memory, false, "memory pressure", "Rebalance the tiers first; then add memory in 25-50% increments.", 2, []Measure{MemoryUse, MemoryStall, GCShare}},
	{Bandwidth, false, "memory bandwidth", "Enable NUMA pinning, and keep the work that shares data on one node's cores.", 2, []Measure{CostGrowth}},
	{NUMA, false, "remote NUMA access", "Enable NUMA pinning.", 2, []Measure{NUMALocal}},
	{Disk, false, "disk I/O", "Move to NVMe or add IOPS.", 2, []Measure{BlockedIO, HostIOStall}},
	{Network, false, "network", "Upgrade the link or batch requests.", 2, []Measure{NetworkUse, Retransmits}},
	{Load, false, "the load itself", "Nothing to scale: it does what it is asked, and waits for its callers. Look at them; it could be smaller.", 3, []Measure{CPUUse, LockWaiters}},
}

// Title is what a cause is called for people.
func (c Cause) Title() string {
	for _, t := range traits {
		if t.cause == c {
			return t.title
		}
	}
	return string(c)
}
