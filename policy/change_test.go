package policy_test

import (
	"math"
	"strings"
	"testing"

	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

// compareQuantities lets go-cmp look at a Quantity, which compares with ==.
var compareQuantities = cmp.Comparer(func(a, b policy.Quantity) bool { return a == b })

func TestParseChange(t *testing.T) {
	for _, c := range []struct {
		resource    policy.Resource
		by, to, cap string
		want        policy.Change
		text        string
	}{
		{policy.CPU, "x2", "", "8", policy.Change{By: &policy.By{Factor: 2}, Cap: policy.Amount(8000)}, "cpu x2, at most 8 cores"},
		{policy.Memory, "50%", "", "", policy.Change{By: &policy.By{Factor: 1.5}}, "memory x1.5"},
		{policy.CPU, "-20%", "", "", policy.Change{By: &policy.By{Factor: 0.8}}, "cpu x0.8"},
		{policy.CPU, "2", "", "", policy.Change{By: &policy.By{Add: 2000}}, "cpu +2 cores"},
		{policy.CPU, "-500m", "", "", policy.Change{By: &policy.By{Add: -500}}, "cpu -500m"},
		{policy.Memory, "+1Gi", "", "", policy.Change{By: &policy.By{Add: 1 << 30}}, "memory +1Gi"},
		{policy.CPU, "", "max", "", policy.Change{To: &policy.To{Max: true}}, "cpu to the maximum"},
		{policy.CPU, "", "4", "", policy.Change{To: &policy.To{Amount: 4000}}, "cpu to 4 cores"},
		{policy.TiersHotThreshold, "0.1", "", "0.6", policy.Change{By: &policy.By{Add: 100000}, Cap: policy.Amount(600000)}, "tiers.hot_threshold +0.1, at most 0.6"},
		{policy.Retain, "", "12h", "", policy.Change{To: &policy.To{Amount: 43200}}, "storage.retain to 12h"},
		{policy.EvictNow, "", "", "", policy.Change{}, "tiers.evict"},
	} {
		c.want.Resource = c.resource
		got, err := policy.ParseChange(c.resource, c.by, c.to, c.cap)
		if err != nil {
			t.Errorf("ParseChange(%s, %q, %q, %q): %v", c.resource, c.by, c.to, c.cap, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, compareQuantities); diff != "" {
			t.Errorf("ParseChange(%s, %q, %q, %q): -want +got\n%s", c.resource, c.by, c.to, c.cap, diff)
		}
		if got.String() != c.text {
			t.Errorf("String() = %q, want %q", got, c.text)
		}
	}
}

func TestParseChangeFaults(t *testing.T) {
	for _, c := range []struct {
		resource    policy.Resource
		by, to, cap string
		want        string
	}{
		{policy.CPU, "", "", "", "say how much"},
		{policy.CPU, "", "", "8", "say how much"},
		{policy.CPU, "x2", "max", "", "exclude each other"},
		{policy.CPU, "x0", "", "", "above zero"},
		{policy.CPU, "x-2", "", "", "above zero"},
		{policy.CPU, "xNaN", "", "", "above zero"},
		{policy.CPU, "xInf", "", "", "above zero"},
		{policy.CPU, "x1", "", "", "changes nothing"},
		{policy.CPU, "0%", "", "", "changes nothing"},
		{policy.CPU, "-100%", "", "", "above zero"},
		{policy.CPU, "0", "", "", "changes nothing"},
		{policy.CPU, "x5000", "", "", "mistake"},
		{policy.CPU, "twice", "", "", "by: "},
		{policy.CPU, "x", "", "", "want a factor such as x2"},
		{policy.CPU, "a%", "", "", "want per cent such as 50%"},
		{policy.CPU, "", "unlimited", "", "nothing is ever made unlimited"},
		{policy.CPU, "", "0", "", "above zero"},
		{policy.CPU, "x2", "", "unlimited", "leave it out for no cap"},
		{policy.CPU, "-20%", "", "8", "cap: it ends growth, and this change shrinks"},
		{policy.CPU, "-500m", "", "8", "cap: it ends growth"},
		{policy.CPU, "", "9", "8", "cap: it lies below to"},
		{policy.EvictNow, "x2", "", "", "operation"},
		{"disk", "x2", "", "", "no such resource"},
	} {
		_, err := policy.ParseChange(c.resource, c.by, c.to, c.cap)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseChange(%s, %q, %q, %q): %v; want %q", c.resource, c.by, c.to, c.cap, err, c.want)
		}
	}
}

func TestParseInterval(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		in   string
		want policy.Interval
		text string
	}{
		{"70..85", policy.Interval{Lo: 70, Hi: 85}, "70..85"},
		{" 70 .. 85 ", policy.Interval{Lo: 70, Hi: 85}, "70..85"},
		{"-5..5", policy.Interval{Lo: -5, Hi: 5}, "-5..5"},
		{"0.5..1.5", policy.Interval{Lo: 0.5, Hi: 1.5}, "0.5..1.5"},
		{"< 70", policy.Interval{Lo: -inf, Hi: 70}, "< 70"},
		{"<70", policy.Interval{Lo: -inf, Hi: 70}, "< 70"},
		{"..70", policy.Interval{Lo: -inf, Hi: 70}, "< 70"},
		{">= 85", policy.Interval{Lo: 85, Hi: inf}, ">= 85"},
		{"70..", policy.Interval{Lo: 70, Hi: inf}, ">= 70"},
		{">= 10GB", policy.Interval{Lo: 1e10, Hi: inf}, ">= 10000000000"},
		{"1Ki..1.5Mi", policy.Interval{Lo: 1024, Hi: 1.5 * (1 << 20)}, "1024..1572864"},
	} {
		got, err := policy.ParseInterval(c.in)
		if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("ParseInterval(%q) = %v, %v; want %v", c.in, got, err, c.text)
		}
	}
	for in, want := range map[string]string{
		"":          "it is empty",
		"> 85":      "half-open: the lower bound belongs to it, the upper one does not; write >= 85",
		"<= 70":     "write < 70",
		"== 5":      "write a range such as 5..6",
		"5":         "want lo..hi, < hi or >= lo",
		"70-85":     "write 70..85",
		"85..70":    "it holds no value",
		"70..70":    "it holds no value",
		"..":        "leave the signal out",
		"< x":       `"x" is not a number`,
		"< 70%":     "write the number alone",
		">= NaN":    "finite",
		">= Inf":    "finite",
		"1..Inf":    "finite",
		"1..2..3":   "not a number",
		"1e308Ti..": "finite",
	} {
		if _, err := policy.ParseInterval(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseInterval(%q): %v; want %q", in, err, want)
		}
	}
	if i := (policy.Interval{Lo: -inf, Hi: inf}); i.String() != "any" {
		t.Errorf("String() of every value = %q", i)
	}
}

func TestIntervalIsHalfOpen(t *testing.T) {
	i := policy.Interval{Lo: 70, Hi: 85}
	for v, want := range map[float64]bool{69.999: false, 70: true, 84.999: true, 85: false, math.NaN(): false} {
		if i.Contains(v) != want {
			t.Errorf("Contains(%v) = %v", v, !want)
		}
	}
}

func FuzzParseInterval(f *testing.F) {
	for _, s := range []string{"70..85", "< 70", ">= 85", "70..", "..70", "1e300..", "< -0", "0x1p4..", ">= 10GB", "<="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i, err := policy.ParseInterval(s)
		if err != nil {
			return
		}
		if !(i.Lo < i.Hi) {
			t.Errorf("ParseInterval(%q) = %v holds no value", s, i)
		}
		if back, err := policy.ParseInterval(i.String()); err != nil || back != i {
			t.Errorf("ParseInterval(%q) = %v; written %q, read as %v, %v", s, i, i.String(), back, err)
		}
	})
}

func FuzzParseChange(f *testing.F) {
	f.Add("x2", "", "8")
	f.Add("50%", "", "")
	f.Add("", "max", "")
	f.Add("-1", "", "")
	f.Fuzz(func(t *testing.T, by, to, limit string) {
		for _, r := range []policy.Resource{policy.CPU, policy.Memory, policy.TiersHotThreshold, policy.Retain, policy.EvictNow} {
			c, err := policy.ParseChange(r, by, to, limit)
			if err != nil {
				continue
			}
			if c.By != nil && (math.IsNaN(c.By.Factor) || c.By.Factor < 0 || c.By.Factor == 1) {
				t.Errorf("ParseChange(%s, %q, %q, %q) = %v", r, by, to, limit, c)
			}
			if r.IsOperation() != (c.By == nil && c.To == nil) {
				t.Errorf("ParseChange(%s, %q, %q, %q) = %v", r, by, to, limit, c)
			}
		}
	})
}
