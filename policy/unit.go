package policy

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

type unit uint8

const (
	milliCores unit = iota
	bytes
	count
	millionths // of a fraction
	seconds
	processors
	none // operations, and resources that do not exist
)

func (r Resource) unit() unit {
	switch r {
	case CPU:
		return milliCores
	case Memory, Storage, TiersHotTierSize:
		return bytes
	case Replicas, ThreadsSpreading, ThreadsConsolidation:
		return count
	case TiersHotThreshold, TiersWarmThreshold:
		return millionths
	case Retain:
		return seconds
	case CPUs:
		return processors
	}
	return none
}

var byteUnits = []struct {
	suffix string
	bytes  int64
}{
	{"Ei", 1 << 60}, {"Pi", 1 << 50}, {"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
}

// The exponent and the length are bounded, because a quantity of 1e999999999 would be written out.
var kubernetesQuantity = regexp.MustCompile(`^[+-]?(\d{1,19}\.?\d{0,9}|\.\d{1,9})(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,2})?$`)

// ParseQuantity reads an amount of r as a person writes it: "2", "250m" or "1.5 cores" of CPU; "1.5Gi",
// "16GB" of bytes; a threshold as a fraction ("0.3") or in per cent; a retention as a duration ("24h",
// "7d"); processors as a set ("0-3,8"); "unlimited" where r can be.
func ParseQuantity(r Resource, s string) (Quantity, error) {
	text := strings.TrimSpace(s)
	if r == CPUs {
		return parseProcessors(text)
	}
	if text == "unlimited" {
		if r == CPU || r == Memory || r == Storage {
			return Unlimited(), nil
		}
		return Quantity{}, fmt.Errorf("%s: it cannot be unlimited", r)
	}
	n, err := r.parse(text)
	if err == nil && n < 0 {
		err = fmt.Errorf("%.40q is negative", s)
	}
	if err != nil {
		return Quantity{}, fmt.Errorf("%s: %w", r, err)
	}
	if r.unit() == millionths && n > 1e6 {
		return Quantity{}, fmt.Errorf("%s: %.40q is above 1, which is full activation", r, s)
	}
	return Amount(n), nil
}

// parseProcessors reads a set of processors, or all of them.
func parseProcessors(s string) (Quantity, error) {
	if s == string(AllCPUs) || s == "unlimited" {
		return Unlimited(), nil
	}
	ids, err := ParseIDs(s)
	if err != nil || len(ids) == 0 {
		return Quantity{}, fmt.Errorf("%s: %.40q: want all, or processors such as 0-3,8", CPUs, s)
	}
	return ids.Quantity(), nil
}

// parse reads an amount, which may be negative.
func (r Resource) parse(s string) (int64, error) {
	switch r.unit() {
	case milliCores:
		return parseCores(s)
	case bytes:
		return parseBytes(s)
	case count:
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%.40q: want a whole number such as 3", s)
		}
		return n, nil
	case millionths:
		return parseFraction(s)
	case seconds:
		d, err := ParseDuration(s)
		if err == nil && d%time.Second != 0 {
			return 0, fmt.Errorf("%.40q: want whole seconds", s)
		}
		return int64(d / time.Second), err
	}
	if r.IsOperation() {
		return 0, fmt.Errorf("it is an operation and has no size")
	}
	if r == CPUs {
		return 0, fmt.Errorf("%.40q: it is a set of processors, not a number", s)
	}
	return 0, fmt.Errorf("there is no such resource; there are cpu, memory, storage, replicas, threads, tiers")
}

func parseCores(s string) (int64, error) {
	number := strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(s, "cores"), "core"))
	if !kubernetesQuantity.MatchString(number) {
		return 0, fmt.Errorf("%.40q: want cores such as 2, 1.5 or 250m", s)
	}
	q, err := resource.ParseQuantity(number)
	if err != nil {
		return 0, fmt.Errorf("%.40q: want cores such as 2, 1.5 or 250m: %w", s, err)
	}
	if q.CmpInt64(1e9) > 0 || q.CmpInt64(-1e9) < 0 {
		return 0, fmt.Errorf("%.40q: no machine has so many cores", s)
	}
	milli := q.MilliValue()
	if resource.NewMilliQuantity(milli, resource.DecimalSI).Cmp(q) != 0 {
		return 0, fmt.Errorf("%.40q: the finest unit is a thousandth of a core (1m)", s)
	}
	return milli, nil
}

func parseBytes(s string) (int64, error) {
	number, factor := s, int64(1)
	for _, u := range byteUnits {
		if head, found := strings.CutSuffix(s, u.suffix); found && strings.HasSuffix(u.suffix, "B") {
			number, factor = strings.TrimSpace(head), u.bytes
			break
		}
	}
	const want = "want bytes such as 512Mi, 1.5Gi or 16GB"
	switch {
	case strings.HasSuffix(number, "m"):
		return 0, fmt.Errorf("%.40q: m is a thousandth; write Mi or MB for mega", s)
	case !kubernetesQuantity.MatchString(number):
		if u := strings.TrimRight(number, "gGmMkKtTbB"); u != number && isNumber(strings.TrimSpace(u)) {
			return 0, fmt.Errorf("%.40q: %s; for powers of 1024 write %sKi, %sMi or %sGi", s, want, u, u, u)
		}
		return 0, fmt.Errorf("%.40q: %s", s, want)
	}
	q, err := resource.ParseQuantity(number)
	if err != nil {
		return 0, fmt.Errorf("%.40q: %s: %w", s, want, err)
	}
	if limit := int64(1<<62) / factor; q.CmpInt64(limit) >= 0 || q.CmpInt64(-limit) <= 0 {
		return 0, fmt.Errorf("%.40q: too large", s)
	}
	if factor == 1 {
		return q.Value(), nil // exact; a fraction of a byte is rounded up
	}
	return int64(math.Ceil(q.AsApproximateFloat64() * float64(factor))), nil
}

func parseFraction(s string) (int64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1000 {
		return 0, fmt.Errorf("%.40q: want a fraction of full activation such as 0.3", s)
	}
	if percent {
		f /= 100
	}
	return int64(math.Round(f * 1e6)), nil
}

// Format writes q with its unit, for people: "2 cores", "250m", "1.5Gi", "0.3", "unlimited". Bytes
// are rounded to a hundredth of their unit.
func (r Resource) Format(q Quantity) string {
	n, ok := q.Amount()
	if _, isSet := q.Set(); r == CPUs && !ok && !isSet {
		return string(AllCPUs)
	}
	if !ok {
		return q.String()
	}
	switch r.unit() {
	case milliCores:
		switch {
		case n == 1000:
			return "1 core"
		case n == 0 || n > 1000 || n < -1000:
			return trimFloat(float64(n)/1000, 3) + " cores"
		}
		return strconv.FormatInt(n, 10) + "m"
	case bytes:
		return formatBytes(n)
	case millionths:
		return trimFloat(float64(n)/1e6, 6)
	case seconds:
		return FormatDuration(time.Duration(min(n, int64(math.MaxInt64/time.Second))) * time.Second)
	}
	return strconv.FormatInt(n, 10)
}

func formatBytes(n int64) string {
	for _, u := range byteUnits[:6] {
		if n >= u.bytes || n <= -u.bytes {
			return trimFloat(float64(n)/float64(u.bytes), 2) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

func trimFloat(f float64, digits int) string {
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
