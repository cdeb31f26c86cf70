package policy_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
)

func TestParseQuantity(t *testing.T) {
	for _, c := range []struct {
		resource policy.Resource
		in       string
		want     int64
	}{
		{policy.CPU, "2", 2000},
		{policy.CPU, "1.5", 1500},
		{policy.CPU, "250m", 250},
		{policy.CPU, "2 cores", 2000},
		{policy.CPU, "1 core", 1000},
		{policy.CPU, " 4 ", 4000},
		{policy.CPU, "0", 0},
		{policy.Memory, "1.5Gi", 3 << 29},
		{policy.Memory, "512Mi", 512 << 20},
		{policy.Memory, "16GB", 16e9},
		{policy.Memory, "16 GB", 16e9},
		{policy.Memory, "1.5GB", 15e8},
		{policy.Memory, "16GiB", 16 << 30},
		{policy.Memory, "16G", 16e9},
		{policy.Memory, "1e9", 1e9},
		{policy.Memory, "0.1", 1}, // of a byte: rounded up
		{policy.Memory, "4503599627370497", 4503599627370497},
		{policy.Storage, "100Gi", 100 << 30},
		{policy.Replicas, "3", 3},
		{policy.ThreadsSpreading, "4", 4},
		{policy.TiersHotThreshold, "0.3", 300000},
		{policy.TiersHotThreshold, "30%", 300000},
		{policy.TiersWarmThreshold, "0.05", 50000},
		{policy.TiersHotTierSize, "1Gi", 1 << 30},
		{policy.Retain, "24h", 86400},
		{policy.Retain, "7d", 7 * 86400},
	} {
		q, err := policy.ParseQuantity(c.resource, c.in)
		if n, ok := q.Amount(); err != nil || !ok || n != c.want {
			t.Errorf("ParseQuantity(%s, %q) = %v, %v; want %d", c.resource, c.in, q, err, c.want)
		}
	}
	for _, r := range []policy.Resource{policy.CPU, policy.Memory, policy.Storage} {
		if q, err := policy.ParseQuantity(r, "unlimited"); err != nil || !q.IsUnlimited() {
			t.Errorf("ParseQuantity(%s, unlimited) = %v, %v", r, q, err)
		}
	}
}

func TestParseQuantityFaults(t *testing.T) {
	for _, c := range []struct {
		resource policy.Resource
		in, want string
	}{
		{policy.CPU, "", "want cores such as"},
		{policy.CPU, "two", "want cores such as"},
		{policy.CPU, "-1", "negative"},
		{policy.CPU, "0.0001", "thousandth of a core"},
		{policy.CPU, "1e12", "no machine has so many cores"},
		{policy.CPU, "1e999999999", "want cores such as"},
		{policy.CPU, "NaN", "want cores such as"},
		{policy.Memory, "16g", "write 16Ki, 16Mi or 16Gi"},
		{policy.Memory, "100m", "m is a thousandth; write Mi or MB"},
		{policy.Memory, "8Eib", "want bytes such as"},
		{policy.Memory, "16EiB", "want bytes such as"},
		{policy.Memory, "9999999999TB", "too large"},
		{policy.Memory, "8Ei", "too large"},
		{policy.Memory, "lots", "want bytes such as"},
		{policy.Replicas, "1.5", "whole number"},
		{policy.Replicas, "unlimited", "cannot be unlimited"},
		{policy.TiersHotThreshold, "1.2", "above 1"},
		{policy.TiersHotThreshold, "NaN", "fraction of full activation"},
		{policy.Retain, "12", "the unit is missing: 12s, 12m or 12h"},
		{policy.Retain, "1500ms", "whole seconds"},
		{policy.EvictNow, "1", "operation"},
		{policy.CPUs, "two", "want all, or processors such as 0-3,8"},
		{policy.CPUs, "", "want all, or processors such as 0-3,8"},
		{"gpus", "1", "no such resource; there are cpu"},
	} {
		_, err := policy.ParseQuantity(c.resource, c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), string(c.resource)) {
			t.Errorf("ParseQuantity(%s, %q): %v; want %q", c.resource, c.in, err, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		resource policy.Resource
		quantity policy.Quantity
		want     string
	}{
		{policy.CPU, policy.Amount(2000), "2 cores"},
		{policy.CPU, policy.Amount(1000), "1 core"},
		{policy.CPU, policy.Amount(1250), "1.25 cores"},
		{policy.CPU, policy.Amount(250), "250m"},
		{policy.CPU, policy.Amount(0), "0 cores"},
		{policy.CPU, policy.Unlimited(), "unlimited"},
		{policy.CPU, policy.Quantity{}, "unset"},
		{policy.Memory, policy.Amount(3 << 29), "1.5Gi"},
		{policy.Memory, policy.Amount(16 << 30), "16Gi"},
		{policy.Memory, policy.Amount(1500000000), "1.4Gi"},
		{policy.Memory, policy.Amount(512), "512"},
		{policy.Memory, policy.Amount(math.MaxInt64), "8Ei"},
		{policy.Replicas, policy.Amount(3), "3"},
		{policy.TiersHotThreshold, policy.Amount(300000), "0.3"},
		{policy.Retain, policy.Amount(43200), "12h"},
		{policy.Retain, policy.Amount(math.MaxInt64), "106751d23h47m16s"},
	} {
		if got := c.resource.Format(c.quantity); got != c.want {
			t.Errorf("%s.Format(%v) = %q, want %q", c.resource, c.quantity, got, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"2w": 14 * 24 * time.Hour, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1w2d3h": (9*24 + 3) * time.Hour,
		"90s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1.5d": 36 * time.Hour, "0s": 0, "0": 0,
	} {
		if got, err := policy.ParseDuration(in); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "want a form like", "5": "the unit is missing: 5s, 5m or 5h", "1d2w": "want a form like", "1d-2h": "only the whole",
		"NaNd": "want a form like", "99999999999w": "want a form like", "x": "want a form like", "1d12": "the unit is missing",
	} {
		if _, err := policy.ParseDuration(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseDuration(%q): %v; want %q", in, err, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 36 * time.Hour: "1d12h", 14 * 24 * time.Hour: "2w", 250 * time.Millisecond: "250ms",
		-time.Minute: "-1m", 48 * time.Hour: "2d", math.MinInt64: "-106751d23h47m16s",
	} {
		if got := policy.FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", d, got, want)
		}
	}
}

func FuzzParseQuantity(f *testing.F) {
	for _, s := range []string{"2", "250m", "1.5Gi", "16GB", "unlimited", "0.3", "24h", "7d", "1e99", "-1", "٣", "1.e5", "9223372036854775807"} {
		f.Add(s)
	}
	resources := []policy.Resource{policy.CPU, policy.Memory, policy.Replicas, policy.TiersHotThreshold, policy.Retain, policy.EvictNow, "x"}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range resources {
			q, err := policy.ParseQuantity(r, s)
			if err != nil {
				if !q.IsUnset() {
					t.Errorf("ParseQuantity(%s, %q) = %v beside %v", r, s, q, err)
				}
				continue
			}
			if n, ok := q.Amount(); ok && n < 0 || !ok && !q.IsUnlimited() {
				t.Errorf("ParseQuantity(%s, %q) = %v", r, s, q)
			}
			if back, err := policy.ParseQuantity(r, r.Format(q)); err != nil {
				t.Errorf("ParseQuantity(%s, %q): its format %q: %v", r, s, r.Format(q), err)
			} else if r != policy.Memory && back != q {
				t.Errorf("ParseQuantity(%s, %q) = %v, its format %q is %v", r, s, q, r.Format(q), back)
			}
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"2w", "1d12h", "90s", "1.5d", "-1d", "0d5m", "9999999h", "1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := policy.ParseDuration(s)
		if err != nil || d%time.Second != 0 {
			return
		}
		if back, err := policy.ParseDuration(policy.FormatDuration(d)); err != nil || back != d {
			t.Errorf("ParseDuration(%q) = %v; written %q, read as %v, %v", s, d, policy.FormatDuration(d), back, err)
		}
	})
}
