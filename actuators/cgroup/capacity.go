package cgroup

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/engramd/engramd/policy"
)

// Capacity is what a host has.
type Capacity struct {
	Online      Set // CPUs that are switched on
	Allowed     Set // CPUs that this process may use
	MemoryBytes int64
}

// MilliCPU is the host's processors in thousandths of a core.
func (c Capacity) MilliCPU() int64 { return int64(len(c.Online)) * 1000 }

// HostCapacity reads what the host has. Root is where proc and sys are, "/" but for tests.
func HostCapacity(root string) (Capacity, error) {
	var c Capacity
	online, err := readSet(filepath.Join(root, "sys/devices/system/cpu/online"))
	if err != nil {
		return c, err
	}
	c.Online = online
	list, err := field(filepath.Join(root, "proc/self/status"), "Cpus_allowed_list")
	if err != nil {
		return c, err
	}
	if c.Allowed, err = ParseSet(list); err != nil {
		return c, fmt.Errorf("read host capacity: allowed CPUs: %w", err)
	}
	name := filepath.Join(root, "proc/meminfo")
	total, err := field(name, "MemTotal")
	if err != nil {
		return c, err
	}
	kib, err := parseNumber(name, []byte(strings.TrimSuffix(total, " kB")))
	if err != nil || kib > 1<<50 {
		return c, fmt.Errorf("read host capacity: MemTotal %.40q is not a size in kB", total)
	}
	c.MemoryBytes = kib << 10
	return c, nil
}

func readSet(name string) (Set, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, fmt.Errorf("read host capacity: %w", err)
	}
	set, err := parseSet(name, text)
	if err != nil {
		return nil, fmt.Errorf("read host capacity: %w", err)
	}
	return set, nil
}

// field returns the value of one "Name: value" line.
func field(name, key string) (string, error) {
	text, err := readFile(name)
	if err != nil {
		return "", fmt.Errorf("read host capacity: %w", err)
	}
	for _, line := range lines(name, text) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == key {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("read host capacity: %s has no %s", name, key)
}

// CPULimit is what the group can really use, in thousandths of a core: the smallest of the quotas on
// the way up, its CPU set and the host. It is unset only if nothing of that is known.
func (s Stats) CPULimit(c Capacity) policy.Quantity {
	limit := s.CPU.EffectiveLimit
	if limit.IsUnlimited() {
		limit = policy.Quantity{}
	}
	if n := len(s.Cpuset.CPUs); n > 0 {
		limit = lesser(limit, policy.Amount(int64(n)*1000))
	}
	if n := c.MilliCPU(); n > 0 {
		limit = lesser(limit, policy.Amount(n))
	}
	return limit
}

// MemoryLimit is what the group can really use, in bytes: the smallest of the limits on the way up
// and the host. It is unset only if nothing of that is known.
func (s Stats) MemoryLimit(c Capacity) policy.Quantity {
	limit := s.Memory.EffectiveLimit
	if limit.IsUnlimited() {
		limit = policy.Quantity{}
	}
	if c.MemoryBytes > 0 {
		limit = lesser(limit, policy.Amount(c.MemoryBytes))
	}
	return limit
}
