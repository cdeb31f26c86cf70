package cgroup

import (
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
)

// tick is USER_HZ, which Linux has fixed at 100 for programs on every architecture it matters on.
const tick = 10 * time.Millisecond

func (g Group) readCPU(r *reader, c *CPU) {
	d, ok := g.in("cpu")
	if !ok {
		return
	}
	stat := r.keyed(d, "cpu.stat")
	c.Periods, c.ThrottledPeriods = get(stat, "nr_periods"), get(stat, "nr_throttled")
	if d.v2 {
		c.Used = scaled(get(stat, "usage_usec"), time.Microsecond)
		c.User = scaled(get(stat, "user_usec"), time.Microsecond)
		c.System = scaled(get(stat, "system_usec"), time.Microsecond)
		c.Throttled = scaled(get(stat, "throttled_usec"), time.Microsecond)
		c.Weight = r.number(d, "cpu.weight")
	} else {
		c.Throttled = scaled(get(stat, "throttled_time"), time.Nanosecond)
		c.Shares = r.number(d, "cpu.shares")
		g.readCPUAcct(r, c)
	}
	c.Limit = r.cpuLimit(d)
	c.ParentLimit = d.above(r.cpuLimit)
	c.EffectiveLimit = lesser(c.Limit, c.ParentLimit)
}

// readCPUAcct reads v1's use, which is a controller of its own.
func (g Group) readCPUAcct(r *reader, c *CPU) {
	d, ok := g.dirs["cpuacct"]
	if !ok {
		return
	}
	c.Used = scaled(r.number(d, "cpuacct.usage"), time.Nanosecond)
	c.User = scaled(r.number(d, "cpuacct.usage_user"), time.Nanosecond)
	c.System = scaled(r.number(d, "cpuacct.usage_sys"), time.Nanosecond)
	if c.User == nil || c.System == nil { // before Linux 4.7
		stat := r.keyed(d, "cpuacct.stat")
		c.User, c.System = scaled(get(stat, "user"), tick), scaled(get(stat, "system"), tick)
	}
}

// cpuLimit reads the quota that one directory sets. It is unset where there is none to set, as in
// the root of v2.
func (r *reader) cpuLimit(d dir) policy.Quantity {
	if d.v2 {
		q, _ := value(r, d, "cpu.max", parseCPUMax)
		return q
	}
	quota, ok := value(r, d, "cpu.cfs_quota_us", parseQuota)
	if !ok {
		return policy.Quantity{}
	}
	us, limited := quota.Amount()
	if !limited {
		return quota
	}
	period := r.number(d, "cpu.cfs_period_us")
	if period == nil {
		return policy.Quantity{}
	}
	q, _ := milliCPU(us, *period)
	return q
}

// parseQuota reads v1's cpu.cfs_quota_us, where -1 is no limit.
func parseQuota(name string, text []byte) (policy.Quantity, error) {
	if strings.TrimSpace(string(text)) == "-1" {
		return policy.Unlimited(), nil
	}
	n, err := parseNumber(name, text)
	if err != nil {
		return policy.Quantity{}, err
	}
	return policy.Amount(n), nil
}
