package cgroup

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/engramd/engramd/policy"
)

// noLimit is where v1's limits mean none: the largest number of pages, whatever their size.
const noLimit = 1 << 60

// absent reports whether err says that there is nothing to read, rather than that it is wrong:
// pressure that is switched off answers EOPNOTSUPP, and a container may not see everything.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EOPNOTSUPP)
}

// parseQuantity reads a limit: a number, or "max" for none.
func parseQuantity(name string, text []byte) (policy.Quantity, error) {
	if strings.TrimSpace(string(text)) == "max" {
		return policy.Unlimited(), nil
	}
	n, err := parseNumber(name, text)
	if err != nil {
		return policy.Quantity{}, err
	}
	return bounded(n), nil
}

// bounded turns v1's huge numbers into what they mean.
func bounded(n int64) policy.Quantity {
	if n >= noLimit {
		return policy.Unlimited()
	}
	return policy.Amount(n)
}

// parseCPUMax reads v2's cpu.max, "quota period" in microseconds.
func parseCPUMax(name string, text []byte) (policy.Quantity, error) {
	at := place{name, 1}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return policy.Quantity{}, at.fault("want a quota and a period, got %.40q", text)
	}
	period, err := at.number(fields[1])
	if err != nil {
		return policy.Quantity{}, err
	}
	if fields[0] == "max" {
		return policy.Unlimited(), nil
	}
	quota, err := at.number(fields[0])
	if err != nil {
		return policy.Quantity{}, err
	}
	q, ok := milliCPU(quota, period)
	if !ok {
		return policy.Quantity{}, at.fault("quota %d and period %d are not a limit", quota, period)
	}
	return q, nil
}

// milliCPU turns a quota and its period, both in microseconds, into thousandths of a core.
func milliCPU(quota, period int64) (policy.Quantity, bool) {
	if period <= 0 || quota < 0 || quota > (1<<62)/1000 {
		return policy.Quantity{}, false
	}
	return policy.Amount((quota*1000 + period/2) / period), true
}

// scaled returns n units as a duration, nil for nil.
func scaled(n *int64, unit time.Duration) *time.Duration {
	if n == nil || *n > int64((1<<63-1)/unit) {
		return nil
	}
	d := time.Duration(*n) * unit
	return &d
}
