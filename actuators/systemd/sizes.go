package systemd

import (
	"fmt"
	"strconv"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

const (
	minMilliCPU = 10      // systemd's smallest quota is 1%, the kernel's 1 ms
	minMemory   = 4 << 20 // below that no process starts
)

// cpu is the settings of a size of cpu.
func (p *planner) cpu(to policy.Quantity) ([]setting, error) {
	f := p.facts
	refuse := refusal(f.Unit, policy.CPU.Format(to))
	if f.lacks("cpu") {
		return nil, refuse("%s", f.undelegated("cpu"))
	}
	if n, limited := to.Amount(); limited {
		host := int64(len(f.Topology.CPUs())) * 1000
		if n < minMilliCPU {
			return nil, refuse("the smallest limit is 0.01")
		}
		if host > 0 && n > host {
			return nil, refuse("the host has %d; lower limits.cpu.max", host/1000)
		}
		if parent, ok := f.CPUCeiling.Amount(); ok && n > parent {
			return nil, refuse("the slice above it allows only %s; raise that first", policy.CPU.Format(f.CPUCeiling))
		}
	}
	return []setting{{Key: cpuQuota, Value: quotaText(to)}}, nil
}

// cpus is the settings of a set of processors. The memory nodes follow.
func (p *planner) cpus(to policy.Quantity) ([]setting, error) {
	f := p.facts
	refuse := refusal(f.Unit, "processors "+policy.CPUs.Format(to))
	switch {
	case !f.V2:
		return nil, refuse("systemd pins units only where the host has cgroup v2 alone: boot with systemd.unified_cgroup_hierarchy=1")
	case f.lacks("cpuset"):
		return nil, refuse("%s", f.undelegated("cpuset"))
	}
	if _, chosen := to.Set(); !chosen {
		return []setting{{Key: allowedCPUs}, {Key: allowedMems}}, nil
	}
	ids := to.IDs()
	switch outside := ids.Without(f.CPUs); {
	case len(ids) == 0:
		return nil, refuse("that is no processor at all")
	case len(f.CPUs) == 0:
		return nil, refuse("it is not known which processors the host has")
	case len(outside) > 0:
		return nil, refuse("the host, or the slice above it, has only %s: not %s", f.CPUs, outside)
	}
	return []setting{{Key: allowedCPUs, Value: ids.String()}, {Key: allowedMems, Value: f.Topology.MemsOf(ids).String()}}, nil
}

// memory is the settings of a size of memory. MemoryMax is the size. MemoryHigh keeps its share of
// it and stays unset if it is; swap and protection move as the target says.
func (p *planner) memory(to policy.Quantity) ([]setting, error) {
	f := p.facts
	refuse := refusal(f.Unit, policy.Memory.Format(to)+" of memory")
	if f.lacks("memory") {
		return nil, refuse("%s", f.undelegated("memory"))
	}
	n, limited := to.Amount()
	if parent, ok := f.MemoryCeiling.Amount(); limited && ok && n > parent {
		return nil, refuse("the slice above it allows only %s; raise that first", policy.Memory.Format(f.MemoryCeiling))
	}
	if limited && n < minMemory {
		return nil, refuse("the smallest limit is 4Mi")
	}
	settings := []setting{{Key: memoryMax, Value: bytesText(to)}}
	if !f.V2 { // the legacy hierarchy has no others
		return settings, nil
	}
	if !limited {
		return append(settings, setting{Key: memoryHigh, Value: f.Layers[memoryHigh].Value}), nil
	}
	was, hadLimit := bytesOf(f.Layers[memoryMax].Value).Amount()
	settings = append(settings, setting{Key: memoryHigh, Value: share(f.Layers[memoryHigh].Value, was, n, hadLimit)})
	return append(settings, p.companions(was, n, hadLimit)...), nil
}

// companions are swap and protection beside a memory limit of n.
func (p *planner) companions(was, n int64, hadLimit bool) []setting {
	var settings []setting
	options, swap, low := p.target.Memory, p.facts.Layers[memorySwapMax].Value, p.facts.Layers[memoryLow].Value
	switch options.Swap {
	case policy.SwapNone:
		settings = append(settings, setting{Key: memorySwapMax, Value: "0"})
	case policy.SwapKeepRatio:
		settings = append(settings, setting{Key: memorySwapMax, Value: share(swap, was, n, hadLimit)})
	}
	protected, ok := bytesOf(low).Amount()
	switch {
	case options.Reservation > 0:
		settings = append(settings, setting{Key: memoryLow, Value: strconv.FormatInt(min(n, int64(float64(n)*options.Reservation)), 10)})
	case ok && protected > n:
		settings = append(settings, setting{Key: memoryLow, Value: strconv.FormatInt(n, 10)})
	}
	return settings
}

// share keeps a number of bytes in its proportion to a limit that goes from was to n.
func share(value string, was, n int64, hadLimit bool) string {
	bytes, ok := bytesOf(value).Amount()
	if !ok || !hadLimit || was <= 0 {
		return value
	}
	return strconv.FormatInt(int64(float64(bytes)*(float64(n)/float64(was)))&^4095, 10)
}

// undelegated says that the manager may not use a controller, and what to do.
func (f facts) undelegated(controller string) string {
	if f.User {
		return fmt.Sprintf("the %s controller is not delegated to the user's systemd: add Delegate=cpu cpuset memory io pids to user@.service", controller)
	}
	return fmt.Sprintf("the kernel has no %s controller for systemd: see /sys/fs/cgroup/cgroup.controllers", controller)
}

// refusal makes refusals of one size.
func refusal(unit, size string) func(string, ...any) error {
	return func(format string, args ...any) error {
		return fmt.Errorf("%w: %s for %s: %s", actuators.ErrRefused, size, unit, fmt.Sprintf(format, args...))
	}
}
