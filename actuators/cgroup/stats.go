package cgroup

import (
	"time"

	"github.com/engramd/engramd/policy"
)

// Stats is one sample of a group. A nil field, and an unset quantity, was not to be seen.
type Stats struct {
	CPU      CPU
	Memory   Memory
	Pressure Pressure
	Cpuset   Cpuset
	IO       IO
	PIDs     PIDs
}

// CPU is the use and the limit of processor time. Everything but the limits counts up from the
// group's creation.
type CPU struct {
	Used, User, System *time.Duration
	// Periods are the enforcement periods in which the group ran, ThrottledPeriods those in which it
	// was stopped at its limit, and Throttled for how long (summed over processors).
	Periods, ThrottledPeriods *int64
	Throttled                 *time.Duration
	// Limit is the group's own quota in thousandths of a core, ParentLimit the smallest of those above
	// it as far as they can be seen, and EffectiveLimit the smaller of both.
	Limit, ParentLimit, EffectiveLimit policy.Quantity
	// Shares is v1's relative weight (1024 is usual), Weight is v2's (100 is usual).
	Shares, Weight *int64
}

// Memory is the use and the limits of memory, in bytes.
type Memory struct {
	// Usage counts everything that is charged, page cache included; WorkingSet is Usage less the
	// inactive file pages, which the kernel can take back at once.
	Usage, WorkingSet  *int64
	Anon, File, Kernel *int64
	// ActiveFile and InactiveFile are the pages of files on disk, which can be read again; File counts
	// shared memory and tmpfs too, which cannot.
	ActiveFile, InactiveFile *int64
	Swap                     *int64
	// Limit is the group's own, ParentLimit the smallest of those above it as far as they can be seen,
	// and EffectiveLimit the smaller of both.
	Limit, ParentLimit, EffectiveLimit policy.Quantity
	// High is v2's throttling limit, Low the protected part (v1: the soft limit).
	High, Low policy.Quantity
	// SwapLimit bounds swap alone, as in v2; v1's sum of memory and swap is taken apart.
	SwapLimit policy.Quantity
	// OOMKills counts the processes that were killed for want of memory, LimitHits how often the
	// limit was met (v1: failcnt; v2: the events max and high), Refaults the pages read again after
	// they had been reclaimed.
	OOMKills, LimitHits, Refaults *int64
}

// Pressure is the time in which tasks waited for a resource, since the group's creation. The v1
// hierarchies have none.
type Pressure struct {
	CPU, Memory, IO Stall
}

// A Stall is the time in which some or all tasks waited.
type Stall struct {
	Some, Full *time.Duration
}

// Cpuset is where a group may run: the effective sets.
type Cpuset struct {
	CPUs Set // nil: not to be seen
	Mems Set // memory nodes
	// CPUsAbove and MemsAbove are what the group right above lets it have at most; nil: not to be seen.
	CPUsAbove, MemsAbove Set
}

// IO counts block input and output over all devices. A device that is stacked on another counts in
// both.
type IO struct {
	ReadBytes, WriteBytes *int64
	ReadOps, WriteOps     *int64
}

// PIDs counts tasks.
type PIDs struct {
	Current *int64
	Limit   policy.Quantity
}
