package agent

import (
	"time"

	"github.com/prometheus/procfs"

	"github.com/engramd/engramd/policy"
)

// host is the machine as admission sees it for t.
func (a *Agent) host(t *target, now time.Time) policy.Host {
	safety := t.cfg.Safety
	capacity := policy.Amounts{policy.CPU: a.capacity.MilliCPU(), policy.Memory: a.capacity.MemoryBytes}
	if who := a.admission(t); who != "" {
		return policy.Host{Skip: who + " decides"}
	}
	h := policy.Host{
		Capacity:   capacity,
		Reserve:    policy.Amounts{},
		Overcommit: safety.Overcommit,
	}
	h.Reserve[policy.CPU] = safety.ReserveCPU.Of(capacity[policy.CPU])
	h.Reserve[policy.Memory] = safety.ReserveMemory.Of(capacity[policy.Memory])
	h.OtherTargets, h.OtherUse = a.others(t, now)
	return h
}

// admission names who judges whether there is room for the target, "" for this agent.
func (a *Agent) admission(t *target) string {
	for _, name := range t.cfg.Drivers {
		if who := a.opts.Registry[name].Admission; who != "" {
			return who
		}
	}
	return ""
}

// others sums what the other targets may use, and what everything that is no target does use. What
// is not known is absent: admission then grants nothing of it.
func (a *Agent) others(t *target, now time.Time) (targets, use policy.Amounts) {
	targets = policy.Amounts{policy.CPU: 0, policy.Memory: 0}
	var ours int64 // memory in use by targets, t included
	from := now.Add(-3 * a.loop.cfg.Metrics.Interval)
	for _, other := range a.loop.targets {
		if a.admission(other) != "" {
			continue // it may run anywhere; what of it runs here is seen in what the host uses
		}
		u := a.senses.Used(other.cfg.Name, from, now)
		var cores, bytes int64
		if u.Cores != nil {
			cores = int64(*u.Cores * 1000)
		}
		if u.MemoryBytes != nil {
			bytes = *u.MemoryBytes
		}
		ours += bytes
		if other == t {
			continue
		}
		targets[policy.CPU] += policy.Claim(other.sizes[policy.CPU], cores, 1)
		targets[policy.Memory] += policy.Claim(other.sizes[policy.Memory], bytes, 1)
	}
	if used, ok := hostMemoryUsed(); ok {
		use = policy.Amounts{policy.Memory: max(used-ours, 0)}
	}
	return targets, use
}

// hostMemoryUsed is what the host could not give to anybody now.
func hostMemoryUsed() (int64, bool) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, false
	}
	m, err := fs.Meminfo()
	if err != nil || m.MemTotalBytes == nil || m.MemAvailableBytes == nil {
		return 0, false
	}
	return int64(*m.MemTotalBytes - *m.MemAvailableBytes), true
}
