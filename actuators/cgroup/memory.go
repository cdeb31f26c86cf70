package cgroup

import "github.com/engramd/engramd/policy"

func (g Group) readMemory(r *reader, m *Memory) {
	d, ok := g.in("memory")
	if !ok {
		return
	}
	if d.v2 {
		r.memoryV2(d, m)
	} else {
		r.memoryV1(d, m)
	}
	if m.Usage != nil && m.InactiveFile != nil {
		set := max(0, *m.Usage-*m.InactiveFile)
		m.WorkingSet = &set
	}
}

func (r *reader) memoryV2(d dir, m *Memory) {
	m.Usage = r.number(d, "memory.current")
	m.Swap = r.number(d, "memory.swap.current")
	m.Limit = r.quantity(d, "memory.max")
	m.ParentLimit = d.above(func(d dir) policy.Quantity { return r.quantity(d, "memory.max") })
	m.EffectiveLimit = lesser(m.Limit, m.ParentLimit)
	m.High = r.quantity(d, "memory.high")
	m.Low = r.quantity(d, "memory.low")
	m.SwapLimit = r.quantity(d, "memory.swap.max")

	stat := r.keyed(d, "memory.stat")
	m.Anon, m.File = get(stat, "anon"), get(stat, "file")
	m.ActiveFile, m.InactiveFile = get(stat, "active_file"), get(stat, "inactive_file")
	m.Kernel = get(stat, "kernel")
	if m.Kernel == nil { // before Linux 5.18
		m.Kernel = sum(stat, "kernel_stack", "slab", "percpu", "pagetables")
	}
	m.Refaults = sum(stat, "workingset_refault_anon", "workingset_refault_file")
	if m.Refaults == nil { // before Linux 5.9
		m.Refaults = get(stat, "workingset_refault")
	}
	events := r.keyed(d, "memory.events")
	m.OOMKills = get(events, "oom_kill")
	m.LimitHits = sum(events, "max", "high")
}

func (r *reader) memoryV1(d dir, m *Memory) {
	m.Usage = r.number(d, "memory.usage_in_bytes")
	m.Kernel = r.number(d, "memory.kmem.usage_in_bytes")
	m.LimitHits = r.number(d, "memory.failcnt")
	m.OOMKills = get(r.keyed(d, "memory.oom_control"), "oom_kill")
	m.Limit = r.quantity(d, "memory.limit_in_bytes")
	m.Low = r.quantity(d, "memory.soft_limit_in_bytes")
	m.SwapLimit = swapAlone(m.Limit, r.quantity(d, "memory.memsw.limit_in_bytes"))

	stat := r.keyed(d, "memory.stat")
	m.Anon, m.File = get(stat, "total_rss"), get(stat, "total_cache")
	m.ActiveFile, m.InactiveFile = get(stat, "total_active_file"), get(stat, "total_inactive_file")
	m.Swap = get(stat, "total_swap")
	m.Refaults = sum(stat, "total_workingset_refault_anon", "total_workingset_refault_file")
	if m.Refaults == nil {
		m.Refaults = get(stat, "total_workingset_refault")
	}
	m.ParentLimit = d.above(func(d dir) policy.Quantity { return r.quantity(d, "memory.limit_in_bytes") })
	m.EffectiveLimit = lesser(m.Limit, m.ParentLimit)
	// The kernel has walked up already, also where a container cannot see its parents.
	if n := get(stat, "hierarchical_memory_limit"); n != nil {
		m.EffectiveLimit = lesser(m.EffectiveLimit, bounded(*n))
	}
}

// swapAlone takes the memory out of v1's limit on memory and swap together.
func swapAlone(memory, both policy.Quantity) policy.Quantity {
	b, ok := both.Amount()
	if !ok {
		return both
	}
	n, ok := memory.Amount()
	if !ok {
		return policy.Unlimited()
	}
	return policy.Amount(max(0, b-n))
}

// Unreclaimable is what of Usage the kernel cannot take back without swapping: all but the pages of
// files on disk. It is nil if Usage is; where the pages are not told, it is Usage.
func (m Memory) Unreclaimable() *int64 {
	if m.Usage == nil {
		return nil
	}
	hard := *m.Usage
	for _, pages := range []*int64{m.ActiveFile, m.InactiveFile} {
		if pages != nil {
			hard -= *pages
		}
	}
	hard = max(0, hard)
	return &hard
}
