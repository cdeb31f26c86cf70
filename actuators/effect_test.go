package actuators

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/policy"
)

// shown is what a finding should say.
type verdictWanted string

const (
	wantShown    verdictWanted = "shown"
	wantNotShown verdictWanted = "not shown"
	wantUnknown  verdictWanted = "unknown"
)

func (f finding) verdict() verdictWanted {
	switch {
	case f.shown == nil:
		return wantUnknown
	case *f.shown:
		return wantShown
	}
	return wantNotShown
}

// cpuUse is a measurement of CPU; a negative number was not measured.
func cpuUse(cores, ratio, throttled, stall float64) Usage {
	known := func(v float64) *float64 {
		if v < 0 {
			return nil
		}
		return &v
	}
	return Usage{Cores: known(cores), ThrottledRatio: known(ratio), ThrottledTime: known(throttled), CPUStall: known(stall)}
}

func TestCPUEffect(t *testing.T) {
	const no = -1
	cases := []struct {
		name           string
		first, to      int64
		before, after  Usage
		p99was, p99is  float64
		want           verdictWanted
		needed         bool
		says, saysNeed string
	}{
		{
			name: "use rises above the old limit", first: 1000, to: 2000,
			before: cpuUse(1, 1, 0.5, 0.6), after: cpuUse(1.6, 0, 0, 0), want: wantShown, needed: true, says: "used 1.60 cores, more than the 1 core it had",
		},
		{
			name: "one thread, quiet machine: nearly every period is throttled for an instant, then none", first: 1000, to: 1500,
			before: cpuUse(1, 0.9, 0.02, 0.03), after: cpuUse(1, 0, 0, 0), want: wantNotShown, says: "one thread is the likely limit",
		},
		{
			name: "one thread, the same on a machine that does not measure throttled time", first: 1000, to: 1500,
			before: cpuUse(1, 0.9, no, 0.03), after: cpuUse(1, 0, no, 0), want: wantNotShown, says: "used 1.00 cores of 1.5 cores, as before at 1 core",
		},
		{
			name: "one thread, noisy machine: the host takes a fifth, and stall falls with the neighbours", first: 1000, to: 1500,
			before: cpuUse(0.8, 0.3, 0.01, 0.4), after: cpuUse(0.82, 0, 0, 0.1), want: wantNotShown, says: "something else holds it back",
		},
		{
			name: "one thread, noisy machine, stall rises with the neighbours: no reason to keep", first: 1000, to: 1500,
			before: cpuUse(0.99, 0.9, 0.02, 0.1), after: cpuUse(0.9, 0, 0, 0.5), want: wantNotShown,
		},
		{
			name: "one thread with a little beside it", first: 1000, to: 1500,
			before: cpuUse(1, 1, 0.08, 0.09), after: cpuUse(1.02, 0, 0, 0), want: wantNotShown,
		},
		{
			name: "at its limit, and a little time comes back: use would have risen", first: 1000, to: 1500,
			before: cpuUse(1, 1, 0.15, 0.2), after: cpuUse(1, 0, 0, 0), want: wantNotShown,
		},
		{
			name: "stall falls with the neighbours, at the limit, and throttled time is not measured", first: 1000, to: 1500,
			before: cpuUse(1, 0.9, no, 0.4), after: cpuUse(1, 0, no, 0.05), want: wantNotShown,
		},
		{
			name: "stall falls with the neighbours: throttling is measured, and there was none", first: 1000, to: 2000,
			before: cpuUse(0.8, 0, 0, 0.4), after: cpuUse(0.8, 0, 0, 0.1), want: wantNotShown,
		},
		{
			name: "one thread at half a core", first: 500, to: 1000,
			before: cpuUse(0.5, 1, 0.5, 0.5), after: cpuUse(0.97, 0.9, 0.02, 0.03), want: wantShown, needed: true,
		},
		{
			name: "bursts below the limit get their time back, mean use as before", first: 2000, to: 4000,
			before: cpuUse(0.8, 0.4, 0.2, 0.2), after: cpuUse(0.8, 0.05, 0.01, 0.01), want: wantShown, needed: true,
		},
		{
			name: "bursts, where only periods are counted", first: 2000, to: 4000,
			before: cpuUse(0.8, 0.4, no, no), after: cpuUse(0.8, 0.01, no, no), want: wantShown,
		},
		{
			name: "nearly full and queueing: much time comes back though use hardly rises", first: 1000, to: 2000,
			before: cpuUse(0.97, 0.8, 0.4, 0.5), after: cpuUse(0.99, 0.02, 0.01, 0.02), want: wantShown,
		},
		{
			name: "p99 falls by a tenth", first: 4000, to: 8000,
			before: cpuUse(3, 0, 0, 0), after: cpuUse(3, 0, 0, 0), p99was: 50, p99is: 40, want: wantShown, says: "p99 40 (was 50)",
		},
		{
			name: "p99 falls by less", first: 4000, to: 8000,
			before: cpuUse(3, 0, 0, 0), after: cpuUse(3, 0, 0, 0), p99was: 50, p99is: 46, want: wantNotShown,
		},
		{
			name: "only stall is measured, and it halves", first: 2000, to: 4000,
			before: cpuUse(1.5, no, no, 0.4), after: cpuUse(1.6, no, no, 0.1), want: wantShown, needed: true, saysNeed: "waits for CPU",
		},
		{
			name: "still throttled at the new size", first: 2000, to: 2500,
			before: cpuUse(1.9, 0.9, 0.3, 0.3), after: cpuUse(1.9, 0.8, 0.25, 0.25), want: wantNotShown, needed: true, saysNeed: "throttled in 80% of the periods still",
		},
		{
			name: "nothing to judge by: far below the limit", first: 4000, to: 8000,
			before: cpuUse(0.5, 0, 0, 0), after: cpuUse(0.5, 0, 0, 0), want: wantUnknown,
		},
		{
			name: "the load went away", first: 1000, to: 2000,
			before: cpuUse(1, 1, 0.5, 0.5), after: cpuUse(0.1, 0, 0, 0), want: wantUnknown, says: "the load went away",
		},
		{name: "nothing measured", first: 1000, to: 2000, before: cpuUse(no, no, no, no), after: cpuUse(no, no, no, no), want: wantUnknown},
		{name: "nothing measured before", first: 1000, to: 2000, before: cpuUse(no, no, no, no), after: cpuUse(0.5, 0, 0, 0), want: wantUnknown},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before, after := Baseline{Usage: c.before}, Baseline{Usage: c.after}
			if c.p99was > 0 {
				before.P99, after.P99 = &c.p99was, &c.p99is
			}
			first := policy.Amount(c.first)
			got := cpuEffect(before, after, first, policy.Amount(c.to))
			if got.verdict() != c.want || !strings.Contains(got.text, c.says) || got.text == "" {
				t.Errorf("%s: %q, want %s saying %q", got.verdict(), got.text, c.want, c.says)
			}
			need := cpuNeeded(after, first)
			if (need != "") != c.needed || !strings.Contains(need, c.saysNeed) {
				t.Errorf("needed: %q, want %t saying %q", need, c.needed, c.saysNeed)
			}
		})
	}
}

func TestMemoryEffect(t *testing.T) {
	const first = 1 << 30
	pressed := Usage{MemoryStall: new(0.1), Refaults: new(500.0), ReclaimStalls: new(3.0), OOMKills: new(int64(0)), WorkingSet: new(int64(900 << 20))}
	cases := []struct {
		name          string
		before, after Usage
		want          verdictWanted
		needed        bool
	}{
		{"all pressure gone", pressed, Usage{MemoryStall: new(0.0), Refaults: new(0.0), ReclaimStalls: new(0.0)}, wantShown, false},
		{"pressure stays", pressed, pressed, wantNotShown, true},
		{"half of it stays", pressed, Usage{MemoryStall: new(0.05), Refaults: new(250.0), ReclaimStalls: new(1.5)}, wantNotShown, true},
		{"kills end", Usage{OOMKills: new(int64(2))}, Usage{OOMKills: new(int64(0))}, wantShown, false},
		{"kills go on", Usage{OOMKills: new(int64(2))}, Usage{OOMKills: new(int64(1))}, wantNotShown, true},
		{"more in use than there was", Usage{}, Usage{WorkingSet: new(int64(3 << 29))}, wantShown, true},
		{"never any pressure", Usage{MemoryStall: new(0.0), Refaults: new(1.0)}, Usage{MemoryStall: new(0.0), Refaults: new(1.0)}, wantUnknown, false},
		{"nothing measured", Usage{}, Usage{}, wantUnknown, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := memoryEffect(Baseline{Usage: c.before}, Baseline{Usage: c.after}, policy.Amount(first))
			if got.verdict() != c.want || got.text == "" {
				t.Errorf("%s: %q, want %s", got.verdict(), got.text, c.want)
			}
			if need := memoryNeeded(Baseline{Usage: c.after}, policy.Amount(first)); (need != "") != c.needed {
				t.Errorf("needed: %q, want %t", need, c.needed)
			}
		})
	}
}

func TestDecreaseEffect(t *testing.T) {
	measured := func(p99, errors, throttled float64) Baseline {
		return Baseline{P99: &p99, ErrorRate: &errors, Usage: Usage{ThrottledRatio: &throttled}}
	}
	cases := []struct {
		name          string
		before, after Baseline
		want          verdictWanted
	}{
		{"as before", measured(20, 0, 0), measured(20, 0, 0), wantShown},
		{"within tolerance", measured(20, 0.01, 0), measured(21.9, 0.0105, 0.04), wantShown},
		{"p99 worse", measured(20, 0, 0), measured(23, 0, 0), wantNotShown},
		{"errors worse", measured(20, 0, 0), measured(20, 0.01, 0), wantNotShown},
		{"throttled", measured(20, 0, 0), measured(20, 0, 0.2), wantNotShown},
		{"nothing measured", Baseline{}, Baseline{}, wantUnknown},
		{"a zero p99 is no base, the rest is", measured(0, 0, 0), measured(5, 0, 0), wantShown},
		{"p99 was not measured before", Baseline{}, Baseline{P99: new(5.0)}, wantUnknown},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := decreaseEffect(c.before, c.after, 0.1); got.verdict() != c.want || got.text == "" {
				t.Errorf("%s: %q, want %s", got.verdict(), got.text, c.want)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	cases := map[string]verdictWanted{
		"": wantUnknown, "?": wantUnknown, "??": wantUnknown, "+": wantShown, "-": wantNotShown,
		"+--": wantNotShown, "++-": wantShown, "+-": wantNotShown, "?+": wantShown, "?-?": wantNotShown,
	}
	for text, want := range cases {
		var checks []Check
		for _, c := range text {
			checks = append(checks, Check{Shown: map[rune]*bool{'+': yes, '-': no, '?': nil}[c]})
		}
		if got := (finding{shown: verdict(checks)}).verdict(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
