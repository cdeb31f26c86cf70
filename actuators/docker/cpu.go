package docker

import (
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

const (
	nanoPerMilli  = 1_000_000
	defaultPeriod = 100_000 // microseconds; the kernel's where nobody chose one
	minMilliCPU   = 10      // Docker's and the kernel's smallest limit
)

// cpuSetting is a CPU limit as Docker holds it. NanoCPUs and a quota exclude each other.
type cpuSetting struct {
	NanoCPUs int64 `json:"nano_cpus,omitempty"`
	Quota    int64 `json:"quota,omitempty"` // 0 is unset, -1 unlimited
	Period   int64 `json:"period,omitempty"`
}

func cpuOf(h hostConfig) cpuSetting {
	return cpuSetting{NanoCPUs: h.NanoCpus, Quota: h.CpuQuota, Period: h.CpuPeriod}
}

// poisoned reports a quota of -1 beside NanoCPUs: it wins at the next start, and the container is
// unlimited then.
func (c cpuSetting) poisoned() bool { return c.NanoCPUs > 0 && c.Quota < 0 }

func (c cpuSetting) period() int64 {
	if c.Period > 0 {
		return c.Period
	}
	return defaultPeriod
}

// quantity is the limit in thousandths of a core.
func (c cpuSetting) quantity() policy.Quantity {
	switch {
	case c.NanoCPUs > 0:
		return policy.Amount((c.NanoCPUs + nanoPerMilli/2) / nanoPerMilli)
	case c.Quota > 0:
		return policy.Amount(int64(float64(c.Quota)*1000/float64(c.period()) + 0.5))
	case c.Quota < 0:
		return policy.Unlimited()
	}
	return policy.Quantity{}
}

// live returns the setting that an update of a running container brings about, and false if none
// can: NanoCPUs cannot be taken away again.
func (c cpuSetting) live(to policy.Quantity) (cpuSetting, bool) {
	n, limited := to.Amount()
	switch {
	case c.NanoCPUs > 0 && limited:
		return cpuSetting{n * nanoPerMilli, c.Quota, c.Period}, true
	case c.NanoCPUs > 0:
		return cpuSetting{}, false
	case limited:
		return cpuSetting{0, n * c.period() / 1000, c.Period}, true
	}
	return cpuSetting{0, -1, c.Period}, true
}

// recreated returns the setting for a new container.
func (c cpuSetting) recreated(to policy.Quantity) cpuSetting {
	n, limited := to.Amount()
	switch {
	case limited && c.NanoCPUs == 0 && c.Quota > 0:
		return cpuSetting{0, n * c.period() / 1000, c.Period}
	case limited:
		return cpuSetting{NanoCPUs: n * nanoPerMilli}
	case to.IsUnlimited():
		return cpuSetting{0, -1, c.Period}
	}
	return cpuSetting{}
}

// back is the setting whose update gives c back; what was unset becomes unlimited, which holds the
// same over restarts.
func (c cpuSetting) back() cpuSetting {
	if c.NanoCPUs == 0 && c.Quota == 0 {
		c.Quota = -1
	}
	return c
}

// key is Docker's name of the limit that c sets.
func (c cpuSetting) key() string {
	if c.NanoCPUs > 0 {
		return "nano_cpus"
	}
	return "cpu_quota"
}

func (c cpuSetting) value() string {
	switch {
	case c.NanoCPUs > 0:
		return strings.Replace(fmt.Sprintf("%.4g", float64(c.NanoCPUs)), "e+0", "e", 1)
	case c.Quota > 0:
		return fmt.Sprintf("%d/%d", c.Quota, c.period())
	}
	return "unlimited"
}

func (c cpuSetting) String() string { return c.key() + " " + c.value() }

// checkCPU refuses what the daemon or the host cannot give.
func checkCPU(f facts, to policy.Quantity) error {
	n, limited := to.Amount()
	if !limited {
		return nil
	}
	host := int64(f.CPUs) * 1000
	switch {
	case n < minMilliCPU:
		return fmt.Errorf("%w: %s for %s: the smallest limit is 0.01", actuators.ErrRefused, policy.CPU.Format(to), f.Name)
	case host > 0 && n > host:
		return fmt.Errorf("%w: %s for %s: the host has %d; lower limits.cpu.max", actuators.ErrRefused, policy.CPU.Format(to), f.Name, f.CPUs)
	}
	if parent, ok := f.CPUCeiling.Amount(); ok && n > parent {
		return fmt.Errorf("%w: %s for %s: its parent cgroup allows only %s; raise that first", actuators.ErrRefused, policy.CPU.Format(to), f.Name, policy.CPU.Format(f.CPUCeiling))
	}
	return nil
}
