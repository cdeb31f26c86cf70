package cgroupfs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unlimitedBytes is above any machine's memory and below version 1's way to write "no limit", which depends on the page size.
const unlimitedBytes = 1 << 60

// CPUStat counts how the kernel's bandwidth control held a group back.
type CPUStat struct {
	Periods       int64         // enforcement periods in which the group wanted to run
	Throttled     int64         // of these, the ones in which it was held back
	ThrottledTime time.Duration // summed over CPUs
}

// CPULimit returns the group's own limit in cores; limited is false where it has none.
func (g Group) CPULimit() (cores float64, limited bool, err error) {
	_, v2, err := g.Dir("cpu")
	if err != nil {
		return 0, false, err
	}
	var quota, period string
	if v2 {
		text, err := g.Read("cpu", "cpu.max")
		if err != nil {
			return 0, false, err
		}
		quota, period, _ = strings.Cut(text, " ")
	} else {
		if quota, err = g.Read("cpu", "cpu.cfs_quota_us"); err != nil {
			return 0, false, err
		}
		if period, err = g.Read("cpu", "cpu.cfs_period_us"); err != nil {
			return 0, false, err
		}
	}
	if quota == "max" || quota == "-1" {
		return 0, false, nil
	}
	q, err := parse("cpu quota", quota)
	if err != nil {
		return 0, false, err
	}
	p, err := parse("cpu period", period)
	if err != nil || p == 0 {
		return 0, false, fmt.Errorf("read the cpu period %q: %w", period, err)
	}
	return float64(q) / float64(p), true, nil
}

// CPUStat returns the group's throttling counters.
func (g Group) CPUStat() (CPUStat, error) {
	fields, err := g.fields("cpu", "cpu.stat")
	if err != nil {
		return CPUStat{}, err
	}
	throttled := time.Duration(fields["throttled_usec"]) * time.Microsecond
	if v1, ok := fields["throttled_time"]; ok {
		throttled = time.Duration(v1)
	}
	return CPUStat{Periods: fields["nr_periods"], Throttled: fields["nr_throttled"], ThrottledTime: throttled}, nil
}

// CPUUsage returns the CPU time that the group has used.
func (g Group) CPUUsage() (time.Duration, error) {
	_, v2, err := g.Dir("cpuacct")
	if err != nil {
		return 0, err
	}
	if v2 {
		fields, err := g.fields("cpuacct", "cpu.stat")
		return time.Duration(fields["usage_usec"]) * time.Microsecond, err
	}
	n, err := g.number("cpuacct", "cpuacct.usage")
	return time.Duration(n), err
}

// MemoryLimit returns the group's own limit in bytes; limited is false where it has none.
func (g Group) MemoryLimit() (bytes int64, limited bool, err error) {
	text, err := g.Read("memory", g.pick("memory", "memory.limit_in_bytes", "memory.max"))
	if err != nil || text == "max" {
		return 0, false, err
	}
	bytes, err = parse("memory limit", text)
	if err != nil || bytes >= unlimitedBytes {
		return 0, false, err
	}
	return bytes, true, nil
}

// MemoryUsage returns what is charged to the group, page cache included, in bytes.
func (g Group) MemoryUsage() (int64, error) {
	return g.number("memory", g.pick("memory", "memory.usage_in_bytes", "memory.current"))
}

// OOMKills returns how many of the group's processes the kernel has killed for want of memory.
func (g Group) OOMKills() (int64, error) {
	fields, err := g.fields("memory", g.pick("memory", "memory.oom_control", "memory.events"))
	return fields["oom_kill"], err
}

// pick chooses a file's name by the version of the hierarchy that carries the controller.
func (g Group) pick(controller, v1, v2 string) string {
	if _, is2, err := g.Dir(controller); err == nil && is2 {
		return v2
	}
	return v1
}

func (g Group) number(controller, file string) (int64, error) {
	text, err := g.Read(controller, file)
	if err != nil {
		return 0, err
	}
	return parse(file, text)
}

// fields reads a file of "key value" lines. Lines whose value is no whole number are left out.
func (g Group) fields(controller, file string) (map[string]int64, error) {
	text, err := g.Read(controller, file)
	if err != nil {
		return nil, err
	}
	fields := map[string]int64{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			fields[key] = n
		}
	}
	return fields, nil
}

func parse(what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the %s: %w", what, err)
	}
	return n, nil
}
