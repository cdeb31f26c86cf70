package diagnosis

import (
	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy/diagnose"
)

// ofUsage is what the collectors know of the target.
func ofUsage(u actuators.Usage) []diagnose.Number {
	var all []diagnose.Number
	float := func(m diagnose.Measure, v *float64) {
		if v != nil {
			all = append(all, diagnose.Number{Measure: m, Value: *v})
		}
	}
	float(diagnose.CoresLimit, u.CPULimit)
	float(diagnose.Throttled, u.ThrottledRatio)
	float(diagnose.CPUStall, u.CPUStall)
	float(diagnose.RunQueue, u.RunQueue)
	float(diagnose.BusiestThread, u.BusiestThread)
	float(diagnose.BlockedIO, u.BlockedThreads)
	float(diagnose.MemoryStall, u.MemoryStall)
	float(diagnose.IOStall, u.IOStall)
	float(diagnose.Refaults, u.Refaults)
	float(diagnose.LimitHits, u.ReclaimStalls)
	if u.OOMKills != nil {
		all = append(all, diagnose.Number{Measure: diagnose.OOMKills, Value: float64(*u.OOMKills)})
	}
	if n, ok := u.InUse(); ok && u.MemoryLimit != nil && *u.MemoryLimit > 0 {
		all = append(all, diagnose.Number{Measure: diagnose.MemoryUse, Value: float64(n) / float64(*u.MemoryLimit)})
	}
	return all
}

// coresUsed is the use of the target's own threads where that is known: a control group may hold others,
// too. What the process says of itself comes next.
func coresUsed(u actuators.Usage, a answers) (float64, bool) {
	if u.ThreadCores != nil {
		return *u.ThreadCores, true
	}
	if v, ok := a[ofProcess]; ok {
		return v, true
	}
	if u.Cores != nil {
		return *u.Cores, true
	}
	return 0, false
}
