package diagnose

import "math"

// How close to a whole number of cores a use has to be, and how much room has to be beside it, to look
// like that many busy threads.
const (
	wholeWithin = 0.1
	wholeBeside = 0.2
)

// A weight is how much a number says.
type weight int

const (
	suggests weight = 1
	shows    weight = 2
	doubts   weight = -1
	denies   weight = -2
	excludes weight = -100 // nothing outweighs it
)

// Where the bounds come from.
const (
	guideMatrix    = "the guide's CPU matrix"
	guideMemory    = "the guide's memory matrix"
	guideStorage   = "the guide's storage triggers"
	guideChecklist = "the guide's checklist"
	guideNUMA      = "the guide: local_node > 95%"
	own            = "engramd's own" // by measuring loads of each kind (testenv/node)
)

// A rule says what a measure at or above from, and below to, tells about a cause.
type rule struct {
	cause    Cause
	measure  Measure
	from, to float64
	says     weight
	source   string
}

var inf = math.Inf(1)

// rules is all that is known. Of several that hold for one measure of a cause, on each side the heaviest
// counts.
var rules = []rule{
	{Spreading, QueueDepth, 50, inf, shows, guideChecklist},
	{Spreading, QueueDepth, 1, 50, suggests, own},
	{Spreading, QueueDepth, 0, 0.1, doubts, own},
	{Spreading, SpreadingBusy, 0.9, inf, suggests, own},
	{Spreading, SpreadingBusy, 0, 0.5, doubts, own},
	{Spreading, SpreadingShare, 0.5, inf, suggests, own},
	{Spreading, SpreadingShare, 0, 0.1, denies, own},

	{Consolidation, ConsolidationShare, 0.5, inf, shows, own},
	{Consolidation, ConsolidationShare, 0.2, 0.5, suggests, own},
	{Consolidation, ConsolidationShare, 0, 0.1, denies, own},
	{Consolidation, ConsolidationBusy, 0.9, inf, suggests, own},
	{Consolidation, ConsolidationBusy, 0, 0.5, doubts, own},
	{Consolidation, ConsolidationLag, 600, inf, suggests, own},

	{API, APIShare, 0.5, inf, shows, own},
	{API, APIShare, 0.2, 0.5, suggests, own},
	{API, APIShare, 0, 0.1, denies, own},
	{API, QueueDepth, 1, inf, doubts, own},

	{Snapshots, SnapshotShare, 0.5, inf, shows, own},
	{Snapshots, SnapshotShare, 0.2, 0.5, suggests, own},
	{Snapshots, SnapshotShare, 0, 0.1, denies, own},

	{Throttling, Throttled, 0.05, inf, shows, own},
	{Throttling, Throttled, 0.01, 0.05, suggests, own},
	{Throttling, Throttled, 0, 0.01, excludes, own},
	{Throttling, CPUUnlimited, 1, inf, excludes, "without a quota nobody is stopped at it"},
	{Throttling, CPUUse, 0, 0.5, doubts, guideMatrix},

	{Lock, LockWaiters, 0.5, inf, shows, own},
	{Lock, LockWaiters, 0.1, 0.5, suggests, own},
	{Lock, LockWaiters, 0, 0.02, excludes, own},
	{Lock, LockShare, 0.3, inf, suggests, own},
	{Lock, LockShare, 0, 0.1, denies, own},
	{Lock, Throttled, 0.05, inf, doubts, "who holds a lock may be stopped meanwhile"},
	{Lock, RunQueue, 1, inf, doubts, "who holds a lock may wait for a core meanwhile"},
	{Lock, BlockedIO, 1, inf, doubts, "who holds a lock may wait for a disk meanwhile"},

	{CPU, CPUUse, 0.85, inf, shows, guideMatrix},
	{CPU, CPUUse, 0.7, 0.85, suggests, guideMatrix},
	{CPU, CPUUse, 0, 0.5, doubts, guideMatrix},
	{CPU, RunQueue, 0.5, inf, shows, own},
	{CPU, RunQueue, 0.2, 0.5, suggests, own},
	{CPU, RunQueue, 0, 0.05, denies, own},
	{CPU, CPUStall, 0.1, inf, suggests, own},
	{CPU, CPUStall, 0, 0.01, doubts, own},
	{CPU, HostBusy, 0.95, inf, suggests, own},
	{CPU, SchedLatency, 0.01, inf, suggests, own},
	{CPU, SchedLatency, 0, 0.001, doubts, own},

	{Serial, BusiestThread, 0.9, inf, shows, own},
	{Serial, BusiestThread, 0, 0.5, denies, own},
	{Serial, WholeCores, 1, inf, suggests, own},
	{Serial, ProcsShare, 0, 0.75, suggests, own},
	{Serial, CoresUsed, 0, 0.5, excludes, "no thread is busy"},
	{Serial, CPUUse, 0.85, inf, excludes, guideMatrix},
	{Serial, LockWaiters, 0.5, inf, doubts, own},

	{Memory, MemoryStall, 0.05, inf, shows, own},
	{Memory, MemoryStall, 0, 0.01, denies, own},
	{Memory, HostMemoryStall, 0.1, inf, suggests, own},
	{Memory, HostMemoryStall, 0, 0.01, denies, own},
	{Memory, OOMKills, 1, inf, shows, own},
	{Memory, AllocationFailures, 0.01, inf, shows, "the guide: verify that allocation failures stop"},
	{Memory, LimitHits, 1, inf, suggests, own},
	{Memory, Refaults, 100, inf, suggests, own},
	{Memory, MemoryUse, 0.85, inf, suggests, guideMemory},
	{Memory, MemoryUse, 0, 0.6, denies, guideMemory},
	{Memory, GCShare, 0.5, inf, shows, "above it Go's runtime gives up its memory limit"},
	{Memory, GCShare, 0.25, 0.5, suggests, "Go's runtime plans for 25%"},
	{Memory, GCShare, 0, 0.05, doubts, own},

	{Bandwidth, CostGrowth, 1.2, inf, suggests, own},
	{Bandwidth, CostGrowth, 0, 1.05, denies, own},
	{Bandwidth, CPUUse, 0, 0.5, denies, "a core that waits for memory counts as busy"},

	{NUMA, NUMANodes, 0, 2, excludes, "all memory is as near"},
	{NUMA, NUMALocal, 0, 0.8, shows, own},
	{NUMA, NUMALocal, 0.8, 0.95, suggests, guideNUMA},
	{NUMA, NUMALocal, 0.95, inf, denies, guideNUMA},
	{NUMA, NUMAMiss, 0.05, inf, suggests, guideNUMA},
	{NUMA, CostGrowth, 1.2, inf, suggests, own},

	{Disk, BlockedIO, 0.5, inf, shows, own},
	{Disk, BlockedIO, 0.1, 0.5, suggests, own},
	{Disk, BlockedIO, 0, 0.05, doubts, own},
	{Disk, IOStall, 0.1, inf, shows, own},
	{Disk, IOStall, 0, 0.01, denies, own},
	{Disk, HostIOStall, 0.1, inf, suggests, own},
	{Disk, HostIOStall, 0, 0.01, denies, own},
	{Disk, HostIOWait, 0.1, inf, suggests, "the guide: high iowait"},
	{Disk, DiskBusy, 0.8, inf, suggests, guideStorage},
	{Disk, DiskBusy, 0, 0.2, doubts, own},
	{Disk, DiskIOPS, 0.8, inf, shows, guideStorage},
	{Disk, DiskIOPS, 0, 0.5, doubts, own},

	{Network, NetworkUse, 0.8, inf, shows, own},
	{Network, NetworkUse, 0, 0.5, denies, own},
	{Network, NetworkDrops, 1, inf, suggests, own},
	{Network, NetworkDrops, 0, 0.1, doubts, own},
	{Network, Retransmits, 0.05, inf, shows, own},
	{Network, Retransmits, 0.01, 0.05, suggests, own},
	{Network, Retransmits, 0, 0.001, doubts, own},
	{Network, ListenOverflows, 0.1, inf, suggests, own},

	{Load, CPUUse, 0, 0.5, suggests, guideMatrix},
	{Load, RunQueue, 0, 0.2, suggests, own},
	{Load, LockWaiters, 0, 0.1, suggests, own},
	{Load, BlockedIO, 0, 0.1, suggests, own},
	{Load, QueueDepth, 0, 0.1, suggests, own},
	{Load, InFlight, 0, 1, suggests, own},
	{Load, CPUUse, 0.7, inf, excludes, guideMatrix},
	{Load, RunQueue, 0.5, inf, denies, own},
	{Load, BusiestThread, 0.9, inf, excludes, own},
	{Load, NUMALocal, 0, 0.8, denies, own},
	{Load, NetworkUse, 0.8, inf, excludes, own},
	{Load, Retransmits, 0.05, inf, excludes, own},
	{Load, LockWaiters, 0.5, inf, excludes, own},
	{Load, Throttled, 0.05, inf, excludes, own},
	{Load, BlockedIO, 0.5, inf, excludes, own},
	{Load, IOStall, 0.1, inf, denies, own},
	{Load, MemoryStall, 0.05, inf, excludes, own},
	{Load, QueueDepth, 1, inf, denies, own},
}
