package diagnose

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Measure names one number about a service.
type Measure string

// The measures. Rates are a second, ratios are of 1, and all are means over the stretch that is looked at,
// if nothing else is said.
const (
	CoresUsed     Measure = "cores_used"      // CPU time a second
	CoresLimit    Measure = "cores_limit"     // cores that it can use
	HostCores     Measure = "host_cores"      // cores of the host
	CPUUnlimited  Measure = "cpu_unlimited"   // 1: no quota applies
	Throttled     Measure = "throttled_ratio" // periods in which it was stopped at its quota
	RunQueue      Measure = "run_queue"       // threads that are ready and wait for a core
	BusiestThread Measure = "busiest_thread"  // share of the time that the busiest thread ran
	BlockedIO     Measure = "blocked_threads" // threads in uninterruptible sleep
	CPUStall      Measure = "cpu_stall"       // PSI: time in which some thread waited for a core
	HostBusy      Measure = "host_busy"       // use of all cores of the host, by everybody
	HostIOWait    Measure = "host_iowait"     // share of the cores' time without work while a disk was awaited
	SchedLatency  Measure = "sched_latency"   // seconds: P99 of a goroutine's wait for a thread
	GOMAXPROCS    Measure = "gomaxprocs"      // threads that may run Go code at once
	LockWaiters   Measure = "lock_waiters"    // goroutines that wait for a lock
	InFlight      Measure = "in_flight"       // requests under way
	GCShare       Measure = "gc_share"        // share of the CPU time that the garbage collector took

	MemoryStall        Measure = "memory_stall"        // PSI: time in which every thread waited for memory
	HostMemoryStall    Measure = "host_memory_stall"   // PSI: time in which some thread of the host waited for memory
	MemoryUse          Measure = "memory_use"          // of the limit, without what can be taken back
	Refaults           Measure = "refaults"            // pages a second that were read again
	LimitHits          Measure = "limit_hits"          // times a second that the limit was met
	OOMKills           Measure = "oom_kills"           // during the stretch
	AllocationFailures Measure = "allocation_failures" // a second
	NUMANodes          Measure = "numa_nodes"          // of the host
	NUMALocal          Measure = "numa_local"          // share of its memory that is beside its cores
	NUMAMiss           Measure = "numa_miss"           // share of the host's pages given out to another node's cores

	IOStall     Measure = "io_stall"      // PSI: time in which some thread waited for I/O
	HostIOStall Measure = "host_io_stall" // the same of the whole host
	DiskBusy    Measure = "disk_busy"     // of the busiest disk
	DiskIOPS    Measure = "disk_iops"     // of the disk's ceiling

	NetworkUse      Measure = "network_use"      // of the busiest link's speed
	NetworkDrops    Measure = "network_drops"    // packets a second
	Retransmits     Measure = "retransmits"      // share of the segments sent
	ListenOverflows Measure = "listen_overflows" // connections a second refused, as nobody took them

	QueueDepth        Measure = "queue_depth"        // work that waits for a worker
	SpreadingBusy     Measure = "spreading_busy"     // share of the spreading workers that have a job
	ConsolidationBusy Measure = "consolidation_busy" // the same of consolidation
	ConsolidationLag  Measure = "consolidation_lag"  // seconds
	SpreadingWork     Measure = "spreading_work"     // seconds a second that spreads were under way
	ConsolidationWork Measure = "consolidation_work" // the same of consolidation
	APIWork           Measure = "api_work"           // of all other requests
	SnapshotWork      Measure = "snapshot_work"      // of snapshots, checkpoints, compaction, eviction
	CostGrowth        Measure = "cost_per_operation" // CPU time of an operation, now / before the change
)

// Derived measures are made of others; they may be given, too.
const (
	CPUUse             Measure = "cpu_use"             // CoresUsed / CoresLimit
	LockShare          Measure = "lock_share"          // LockWaiters / (InFlight - QueueDepth)
	WholeCores         Measure = "whole_cores"         // CoresUsed if that is close to a whole number, with room beside; else 0
	ProcsShare         Measure = "gomaxprocs_share"    // GOMAXPROCS / CoresLimit
	SpreadingShare     Measure = "spreading_share"     // of the time of all work
	ConsolidationShare Measure = "consolidation_share" // the same
	APIShare           Measure = "api_share"           // the same
	SnapshotShare      Measure = "snapshot_share"      // the same
)

// An about is how a measure reads, and where it comes from.
type about struct {
	say     func(v float64) string
	smaller bool   // the worst of several is the smallest
	hint    string // how it is had where it is missing
}

const (
	askGo      = "the target exposes no go_sync_mutex_wait_total_seconds_total; scrape its Go metrics, or look with perf lock"
	askCgroup  = "the target's control group was not read"
	askThreads = "the threads of the target were not read: it has no process on this host, or schedstat is off"
	askNode    = "the target is no memory node, or is not scraped"
	askUse     = "how many cores the target uses, or how many it can use, was not read"
	askTCP     = "what the target sends was not read: it has no process on this host, or sends nothing by TCP"
)

// measures tells of every measure.
var measures = map[Measure]about{
	CoresUsed:     {say: count("it uses 1 core", "it uses %s cores"), hint: askThreads},
	CoresLimit:    {say: count("it can use 1 core", "it can use %s cores"), smaller: true, hint: askCgroup},
	HostCores:     {say: count("the host has 1 core", "the host has %s cores")},
	CPUUnlimited:  {say: fixed("no CPU quota applies to it"), smaller: true},
	Throttled:     {say: percent("it was stopped at its CPU quota in %s of the periods"), hint: askCgroup},
	RunQueue:      {say: count("1 of its threads is ready and waits for a core", "%s of its threads are ready and wait for a core"), hint: askThreads},
	BusiestThread: {say: percent("its busiest thread runs %s of the time"), hint: askThreads},
	BlockedIO:     {say: count("1 of its threads waits for a disk", "%s of its threads wait for a disk"), hint: askThreads},
	CPUStall:      {say: percent("some thread waits for a core %s of the time"), hint: askCgroup},
	HostBusy:      {say: percent("the host's cores are %s busy")},
	HostIOWait:    {say: percent("the host's cores wait for a disk %s of the time")},
	SchedLatency:  {say: seconds("goroutines wait up to %s (P99) for a thread")},
	GOMAXPROCS:    {say: plain("GOMAXPROCS is %s"), smaller: true},
	LockWaiters:   {say: count("1 goroutine waits for a lock at any time", "%s goroutines wait for a lock at any time"), hint: askGo},
	InFlight:      {say: count("1 request is under way", "%s requests are under way")},
	GCShare:       {say: percent("the garbage collector takes %s of the CPU time"), hint: "the target exposes no go_cpu_classes_gc_total_cpu_seconds_total"},

	MemoryStall:        {say: percent("everything in it waits for memory %s of the time"), hint: askCgroup},
	HostMemoryStall:    {say: percent("somebody on the host waits for memory %s of the time")},
	MemoryUse:          {say: percent("memory that cannot be taken back is %s of the limit"), hint: askCgroup},
	Refaults:           {say: count("1 page a second is read again after it was reclaimed", "%s pages a second are read again after they were reclaimed")},
	LimitHits:          {say: plain("the memory limit is met %s times a second")},
	OOMKills:           {say: count("1 process was killed for want of memory", "%s processes were killed for want of memory")},
	AllocationFailures: {say: count("1 operation a second is refused for want of memory", "%s operations a second are refused for want of memory")},
	NUMANodes:          {say: plain("the host's NUMA nodes: %s")},
	NUMALocal:          {say: percent("%s of its memory is beside its cores"), smaller: true, hint: "where the target's memory lies was not read: pin it to a node's cores to see it"},
	NUMAMiss:           {say: percent("%s of the host's pages are given to cores of another node")},

	IOStall:     {say: percent("some thread waits for I/O %s of the time")},
	HostIOStall: {say: percent("somebody on the host waits for I/O %s of the time"), hint: "the kernel tells no pressure (PSI)"},
	DiskBusy:    {say: percent("the busiest disk is %s busy")},
	DiskIOPS:    {say: percent("the disk does %s of the operations it can do")},

	NetworkUse:      {say: percent("the busiest link carries %s of its speed"), hint: "the speed of the link is not known"},
	NetworkDrops:    {say: count("1 packet a second is dropped", "%s packets a second are dropped")},
	Retransmits:     {say: percent("%s of the TCP segments are sent again"), hint: askTCP},
	ListenOverflows: {say: count("1 connection a second overflows the listen queue", "%s connections a second overflow the listen queue")},

	QueueDepth:        {say: count("1 job waits for a worker", "%s jobs wait for a worker"), hint: askNode},
	SpreadingBusy:     {say: percent("%s of the spreading workers have a job"), hint: askNode},
	ConsolidationBusy: {say: percent("%s of the consolidation workers have a job"), hint: askNode},
	ConsolidationLag:  {say: seconds("consolidation is %s behind"), hint: askNode},
	SpreadingWork:     {say: count("1 spread is under way", "%s spreads are under way"), hint: askNode},
	ConsolidationWork: {say: count("1 consolidation is under way", "%s consolidations are under way"), hint: askNode},
	APIWork:           {say: count("1 other request is under way", "%s other requests are under way"), hint: askNode},
	SnapshotWork:      {say: count("1 snapshot, checkpoint or compaction is under way", "%s snapshots, checkpoints and compactions are under way"), hint: askNode},
	CostGrowth:        {say: plain("an operation costs %s times the CPU time of before the change"), hint: "what an operation cost before a change is not known"},

	CPUUse:             {say: percent("it uses %s of the cores that it can use"), hint: askUse},
	LockShare:          {say: percent("%s of the requests that are worked on wait for a lock")},
	WholeCores:         {say: count("its CPU use is that of 1 busy thread, and no more", "its CPU use is that of %s busy threads, and no more")},
	ProcsShare:         {say: percent("GOMAXPROCS is %s of the cores that it can use"), smaller: true},
	SpreadingShare:     {say: percent("spreading takes %s of the time of all work"), hint: askNode},
	ConsolidationShare: {say: percent("consolidation takes %s of the time of all work"), hint: askNode},
	APIShare:           {say: percent("requests other than spreads take %s of the time of all work"), hint: askNode},
	SnapshotShare:      {say: percent("snapshots, checkpoints and compaction take %s of the time of all work"), hint: askNode},
}

func plain(format string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, number(v)) }
}

func percent(format string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, number(v*100)+"%") }
}

func seconds(format string) func(float64) string {
	return func(v float64) string {
		if v < 1 {
			return fmt.Sprintf(format, number(v*1000)+" ms")
		}
		return fmt.Sprintf(format, number(v)+" s")
	}
}

// count writes how many of something there are; what reads as 1 is one.
func count(one, many string) func(float64) string {
	return func(v float64) string {
		if n := number(v); n != "1" {
			return fmt.Sprintf(many, n)
		}
		return one
	}
}

func fixed(text string) func(float64) string { return func(float64) string { return text } }

// number writes a number with what matters of it.
func number(v float64) string {
	digits := 0
	switch {
	case v == math.Trunc(v) && v < 1e15:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v < 1:
		digits = 2
	case v < 100:
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}
