package systemd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/engramd/engramd/policy"
)

// The settings of a unit that the driver reads and writes, by their names in unit files.
const (
	cpuQuota      = "CPUQuota"
	memoryHigh    = "MemoryHigh"
	memoryMax     = "MemoryMax"
	memoryLow     = "MemoryLow"
	memorySwapMax = "MemorySwapMax"
	allowedCPUs   = "AllowedCPUs"
	allowedMems   = "AllowedMemoryNodes"
)

// keys lists them.
var keys = []string{cpuQuota, memoryHigh, memoryMax, memoryLow, memorySwapMax, allowedCPUs, allowedMems}

// infinity is what D-Bus has for no limit.
const infinity = math.MaxUint64

// onBus is the name of a setting as a D-Bus property.
func onBus(key string) string {
	if key == cpuQuota {
		return "CPUQuotaPerSecUSec"
	}
	return key
}

// isMask reports whether a setting is a set of numbers.
func isMask(key string) bool { return key == allowedCPUs || key == allowedMems }

// textOf turns the value of a D-Bus property into the text of a unit file, "" for what is not set.
// What has not the type that systemd documents is not set either.
func textOf(key string, v any) string {
	if isMask(key) {
		mask, _ := v.([]byte)
		return maskIDs(mask).String()
	}
	n, ok := v.(uint64)
	switch {
	case !ok || n == infinity || key == memoryLow && n == 0:
		return ""
	case key == cpuQuota:
		return fmt.Sprintf("%d.%02d%%", n/10_000, n/100%100)
	}
	return strconv.FormatUint(n, 10)
}

// property turns the text of a setting into a D-Bus property.
func property(key, text string) (systemd.Property, error) {
	p := systemd.Property{Name: onBus(key)}
	if isMask(key) {
		ids, err := policy.ParseIDs(text)
		if err != nil {
			return p, fmt.Errorf("%s: %w", key, err)
		}
		p.Value = dbus.MakeVariant(idsMask(ids))
		return p, nil
	}
	n, err := number(key, text)
	if err != nil {
		return p, err
	}
	p.Value = dbus.MakeVariant(n)
	return p, nil
}

func number(key, text string) (uint64, error) {
	switch {
	case text == "" && key == memoryLow:
		return 0, nil
	case text == "":
		return infinity, nil
	case key != cpuQuota:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: want bytes, got %.40q", key, text)
		}
		return n, nil
	}
	whole, hundredths, ok := strings.Cut(strings.TrimSuffix(text, "%"), ".")
	n, err := strconv.ParseUint(whole+hundredths, 10, 48)
	if !ok || err != nil || len(hundredths) != 2 {
		return 0, fmt.Errorf("%s: want per cent with two decimals, got %.40q", key, text)
	}
	return n * 100, nil
}

// assignment is the line of a unit file that makes a setting so, also where a file before it sets
// something else.
func assignment(key, text string) string {
	if text == "" {
		switch key {
		case memoryLow:
			text = "0"
		case memoryHigh, memoryMax, memorySwapMax:
			text = "infinity"
		}
	}
	return key + "=" + strings.ReplaceAll(text, ",", " ")
}

// inDropIn is the same for a drop-in, where sets would add up with those of files before it.
func inDropIn(key, text string) string {
	if isMask(key) && text != "" {
		return key + "=\n" + assignment(key, text)
	}
	return assignment(key, text)
}

// quotaText is a size of cpu as a setting.
func quotaText(q policy.Quantity) string {
	milli, limited := q.Amount()
	if !limited {
		return ""
	}
	return fmt.Sprintf("%d.%d0%%", milli/10, milli%10)
}

// milliCPU is a CPUQuota as a size of cpu.
func milliCPU(text string) policy.Quantity {
	n, err := number(cpuQuota, text)
	if err != nil || n == infinity {
		return policy.Quantity{}
	}
	return policy.Amount(int64((n + 500) / 1000))
}

// bytesText is a number of bytes as a setting, "" for none.
func bytesText(q policy.Quantity) string {
	n, limited := q.Amount()
	if !limited {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// bytesOf is a memory setting as a size of memory.
func bytesOf(text string) policy.Quantity {
	n, err := number(memoryMax, text)
	if err != nil || n > math.MaxInt64 {
		return policy.Quantity{}
	}
	return policy.Amount(int64(n))
}

// maskIDs reads a bit mask, the lowest numbers in the first byte.
func maskIDs(mask []byte) policy.IDs {
	ids := policy.IDs{}
	for i, b := range mask {
		for bit := range 8 {
			if b>>bit&1 == 1 {
				ids = append(ids, i*8+bit)
			}
		}
	}
	return ids
}

// idsMask writes one.
func idsMask(ids policy.IDs) []byte {
	mask := []byte{}
	for _, id := range ids {
		for len(mask) <= id/8 {
			mask = append(mask, 0)
		}
		mask[id/8] |= 1 << (id % 8)
	}
	return mask
}
