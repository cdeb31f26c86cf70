package policy_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/policy"
)

const (
	mi = int64(1) << 20
	gi = int64(1) << 30
)

// situation is a target on a large, empty host, where everything is allowed.
func situation() policy.Situation {
	return policy.Situation{
		Now:    noon,
		Target: policy.Target{Name: "engram", Mode: policy.Auto, Limits: map[policy.Resource]policy.Bounds{}},
		Sizes:  policy.Size{policy.CPU: policy.Amount(2000), policy.Memory: policy.Amount(4 * gi), policy.TiersHotThreshold: policy.Amount(300000)},
		Owners: map[policy.Resource]string{
			policy.CPU: "docker", policy.Memory: "docker", policy.TiersHotThreshold: "node", policy.EvictNow: "node",
			policy.Retain: "node", policy.Archive: "node", policy.Prune: "node",
		},
		Host: policy.Host{
			Capacity:     policy.Amounts{policy.CPU: 64000, policy.Memory: 256 * gi},
			OtherTargets: policy.Amounts{policy.CPU: 0, policy.Memory: 0},
			OtherUse:     policy.Amounts{policy.Memory: 0},
		},
		Safety:     policy.Safety{Budget: policy.Budget{PerHour: -1, PerDay: -1, EmergenciesPerDay: -1}},
		WorkingSet: new(int64(1 * gi)),
	}
}

func scale(c policy.Change) policy.Proposal {
	return policy.Proposal{Policy: "p", Source: policy.FromAlert, Row: -1, Verdict: policy.Scale, Change: c}
}

// one decides a situation with a single proposal.
func one(t *testing.T, s policy.Situation, p policy.Proposal) policy.Decision {
	t.Helper()
	s.Proposals = append(s.Proposals, p)
	ds := policy.Decide(s)
	if len(ds) != 1 {
		t.Fatalf("%d decisions, want 1", len(ds))
	}
	return ds[0]
}

func limitsOf(d policy.Decision) string {
	var names []string
	for _, touch := range d.Touches {
		names = append(names, touch.Limit)
	}
	return strings.Join(names, ", ")
}

func cores(n float64) policy.Quantity { return policy.Amount(int64(n * 1000)) }

func TestSizesOfCPU(t *testing.T) {
	steps := []int64{1000, 2000, 4000, 8000, 16000}
	for _, c := range []struct {
		name        string
		from        policy.Quantity
		by, to, cap string
		bounds      policy.Bounds
		want        float64 // cores; 0 is refused
		limits      string
		refused     string
	}{
		{name: "x2", from: cores(2), by: "x2", want: 4},
		{name: "50%", from: cores(2), by: "50%", want: 3},
		{name: "an amount", from: cores(2), by: "500m", want: 2.5},
		{name: "to an amount", from: cores(2), to: "5", want: 5},
		{name: "rounds up", from: policy.Amount(333), by: "x1.5", want: 0.5},
		{name: "cap", from: cores(6), by: "x2", cap: "8", want: 8, limits: "cap"},
		{name: "at the cap", from: cores(8), by: "x2", cap: "8", limits: "cap", refused: "cpu stays at 8 cores: the cap is 8 cores"},
		{name: "a cap never shrinks", from: cores(12), by: "x2", cap: "8", limits: "cap", refused: "cpu stays at 12 cores"},
		{name: "max", from: cores(6), by: "x2", bounds: policy.Bounds{Max: cores(7)}, want: 7, limits: "max"},
		{name: "above max already", from: cores(9), by: "x2", bounds: policy.Bounds{Max: cores(7)}, limits: "max", refused: "the maximum is 7 cores"},
		{name: "min", from: policy.Amount(200), by: "x2", bounds: policy.Bounds{Min: cores(1)}, want: 1, limits: "min"},
		{name: "to max", from: cores(2), to: "max", bounds: policy.Bounds{Max: cores(16)}, want: 16, limits: "max"},
		{name: "to max of the host", from: cores(2), to: "max", want: 64, limits: "host admission"},
		{name: "to max by steps", from: cores(2), to: "max", bounds: policy.Bounds{Steps: steps}, want: 16, limits: "steps"},
		{name: "to max with a cap", from: cores(2), to: "max", cap: "8", want: 8, limits: "cap"},
		{name: "growth rounds up to a step", from: cores(2), by: "50%", bounds: policy.Bounds{Steps: steps}, want: 4, limits: "steps"},
		{name: "but not past the cap", from: cores(3), by: "x3", cap: "6", bounds: policy.Bounds{Steps: steps}, want: 4, limits: "cap, steps"},
		{name: "nor past the maximum", from: cores(4), by: "50%", bounds: policy.Bounds{Max: cores(7), Steps: steps}, limits: "steps", refused: "there is no step between 4 cores and 6 cores"},
		{name: "beyond the last step", from: cores(16), by: "x2", bounds: policy.Bounds{Steps: steps}, limits: "steps", refused: "no step between"},
		{name: "the step before it", from: cores(10), by: "x2", bounds: policy.Bounds{Steps: steps}, want: 16, limits: "steps"},
		{name: "max_step_up", from: cores(4), by: "x4", bounds: policy.Bounds{MaxStepUp: 0.5}, want: 6, limits: "max_step_up"},
		{name: "max_step_up between steps", from: cores(4), by: "x4", bounds: policy.Bounds{MaxStepUp: 0.5, Steps: steps}, limits: "max_step_up, steps", refused: "no step between 4 cores and 6 cores"},
		{name: "max_step_up below min", from: policy.Amount(500), by: "x2", bounds: policy.Bounds{MaxStepUp: 0.2, Min: cores(1)}, want: 1},

		{name: "decrease", from: cores(4), by: "-50%", want: 2},
		{name: "decrease by an amount", from: cores(4), by: "-1", want: 3},
		{name: "decrease to", from: cores(4), to: "1", want: 1},
		{name: "from unlimited to", from: policy.Unlimited(), to: "4", want: 4},
		{name: "from unset to", from: policy.Quantity{}, to: "4", want: 4},
		{name: "decrease min", from: cores(4), by: "-90%", bounds: policy.Bounds{Min: cores(1)}, want: 1, limits: "min"},
		{name: "at min already", from: cores(1), by: "-50%", bounds: policy.Bounds{Min: cores(1)}, limits: "min", refused: "the minimum is 1 core"},
		{name: "below min", from: policy.Amount(500), by: "-50%", bounds: policy.Bounds{Min: cores(1)}, limits: "min", refused: "stays at 500m"},
		{name: "below anything", from: policy.Amount(20), by: "-1", want: 0.01, limits: "min"},
		{name: "decrease max", from: cores(20), by: "-10%", bounds: policy.Bounds{Max: cores(16)}, want: 16, limits: "max"},
		{name: "decrease rounds up", from: cores(8), by: "-70%", bounds: policy.Bounds{Steps: steps}, want: 4, limits: "steps"},
		{name: "and must still shrink", from: cores(8), by: "-20%", bounds: policy.Bounds{Steps: steps}, refused: "no step from 6.4 cores up that is smaller"},
		{name: "from above the last step", from: cores(40), by: "-10%", bounds: policy.Bounds{Steps: steps}, refused: "no step from 36 cores up"},
		{name: "max_step_down", from: cores(8), by: "-75%", bounds: policy.Bounds{MaxStepDown: 0.25}, want: 6, limits: "max_step_down"},
		{name: "max_step_down and steps", from: cores(16), by: "-90%", bounds: policy.Bounds{MaxStepDown: 0.6, Steps: steps}, want: 8, limits: "steps, max_step_down, steps"},
		{name: "max_step_down between steps", from: cores(16), by: "-90%", bounds: policy.Bounds{MaxStepDown: 0.2, Steps: steps}, limits: "steps, max_step_down", refused: "no step from 12.8 cores up"},
		{name: "far above max", from: cores(40), by: "-90%", bounds: policy.Bounds{Max: cores(16), MaxStepDown: 0.1}, limits: "max_step_down", refused: "above the maximum of 16 cores; a person set it so"},

		{name: "growth of unlimited", from: policy.Unlimited(), by: "x2", refused: "no limit on cpu: there is nothing to grow"},
		{name: "to max of unlimited", from: policy.Unlimited(), to: "max", refused: "nothing to grow"},
		{name: "a factor less of unlimited", from: policy.Unlimited(), by: "-50%", refused: "no limit on cpu to shrink from"},
		{name: "to what it is", from: cores(4), to: "4", refused: "cpu is 4 cores already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := situation()
			s.Sizes[policy.CPU] = c.from
			s.Target.Limits[policy.CPU] = c.bounds
			d := one(t, s, scale(change(t, policy.CPU, c.by, c.to, c.cap)))
			if limitsOf(d) != c.limits {
				t.Errorf("touched by %q, want %q: %v", limitsOf(d), c.limits, d.Touches)
			}
			if d.From != c.from || c.want != 0 && d.To != cores(c.want) || !strings.Contains(d.Refused, c.refused) || (d.Refused != "") != (c.want == 0) {
				t.Errorf("%v -> %v, refused %q; want %v cores, %q", d.From, d.To, d.Refused, c.want, c.refused)
			}
		})
	}
}

func TestSizesOfMemory(t *testing.T) {
	for _, c := range []struct {
		name    string
		from    int64
		by, to  string
		use     *int64
		apply   policy.Apply
		want    int64
		refused string
	}{
		{name: "growth is in whole MiB", from: 1000*mi + 1, by: "50%", want: 1501 * mi},
		{name: "small sizes are exact", from: 10 * mi, by: "1000", want: 10*mi + 1000},
		{name: "decrease above use", from: 4 * gi, by: "-50%", use: new(gi), want: 2 * gi},
		{name: "decrease into use", from: 4 * gi, by: "-50%", use: new(2*gi - 1), refused: "2Gi is in use, and with a tenth more that does not fit into 2Gi"},
		{name: "use x 1.1 is the bound", from: 220 * mi, to: "110Mi", use: new(100 * mi), refused: "does not fit"},
		{name: "just below the bound", from: 220 * mi, to: "110Mi", use: new(100*mi - 1), want: 110 * mi},
		{name: "use not known", from: 4 * gi, by: "-50%", refused: "what is in use is not known"},
		{name: "a restart begins anew", from: 4 * gi, by: "-50%", apply: policy.ApplyGrowLive, want: 2 * gi},
		{name: "below anything", from: gi, to: "1Mi", use: new(int64(1)), want: 6 * mi},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := situation()
			s.Sizes[policy.Memory] = policy.Amount(c.from)
			s.WorkingSet = c.use
			s.Target.Apply = map[policy.Resource]policy.Apply{policy.Memory: c.apply}
			d := one(t, s, scale(change(t, policy.Memory, c.by, c.to, "")))
			if c.want != 0 && d.To != policy.Amount(c.want) || !strings.Contains(d.Refused, c.refused) || (d.Refused != "") != (c.want == 0) {
				t.Errorf("-> %v, refused %q; want %v, %q", d.To, d.Refused, c.want, c.refused)
			}
		})
	}
}

func TestAdmission(t *testing.T) {
	reserve := policy.Amounts{policy.CPU: 1000, policy.Memory: 2 * gi}
	host := func(cpus, memory int64) policy.Host {
		return policy.Host{
			Capacity: policy.Amounts{policy.CPU: cpus * 1000, policy.Memory: memory * gi}, Reserve: reserve,
			OtherTargets: policy.Amounts{policy.CPU: 4000, policy.Memory: 6 * gi}, OtherUse: policy.Amounts{policy.Memory: 3 * gi},
		}
	}
	with := func(h policy.Host, edit func(*policy.Host)) policy.Host { edit(&h); return h }
	for _, c := range []struct {
		name     string
		resource policy.Resource
		host     policy.Host
		parts    int
		by, to   string
		bounds   policy.Bounds
		want     policy.Quantity
		limits   string
		refused  string
	}{
		{name: "fits", resource: policy.CPU, host: host(16, 64), by: "x2", want: cores(4)},
		{name: "cut", resource: policy.CPU, host: host(8, 64), by: "x4", want: cores(3), limits: "host admission"},
		{name: "overcommit bounds one target only", resource: policy.CPU, host: with(host(8, 64), func(h *policy.Host) { h.Overcommit = true }), by: "x4", want: cores(7), limits: "host admission"},
		{name: "parts share it", resource: policy.CPU, host: with(host(8, 64), func(h *policy.Host) { h.Overcommit = true }), parts: 2, by: "x4", want: cores(3.5), limits: "host admission"},
		{name: "snaps down", resource: policy.CPU, host: host(10, 64), by: "x4", bounds: policy.Bounds{Steps: []int64{1000, 2000, 4000, 8000}}, want: cores(4), limits: "host admission, steps"},
		{name: "snaps down to nothing", resource: policy.CPU, host: host(8, 64), by: "x4", bounds: policy.Bounds{Steps: []int64{1000, 2000, 4000, 8000}}, limits: "host admission, steps", refused: "no step between 2 cores and 3 cores"},
		{name: "not up to the minimum", resource: policy.CPU, host: host(8, 64), by: "x2", bounds: policy.Bounds{Min: cores(4)}, limits: "host admission", refused: "the minimum is 4 cores"},
		{name: "memory counts everything else", resource: policy.Memory, host: host(8, 16), by: "50%", want: policy.Amount(5 * gi), limits: "host admission"},
		{name: "exceeded already", resource: policy.Memory, host: host(8, 10), by: "x2", limits: "host admission",
			refused: "the host has 10Gi, less 2Gi in reserve, less 6Gi of other targets, less 3Gi that everything else uses: exceeded by 1Gi already"},
		{name: "exceeded never refuses a decrease", resource: policy.Memory, host: host(8, 10), by: "-50%", want: policy.Amount(2 * gi)},
		{name: "capacity unknown", resource: policy.Memory, host: policy.Host{}, by: "x2", refused: "the host's memory is not known"},
		{name: "others unknown", resource: policy.CPU, host: with(host(8, 64), func(h *policy.Host) { h.OtherTargets = nil }), by: "x2", refused: "other targets may use is not known"},
		{name: "use unknown", resource: policy.Memory, host: with(host(8, 64), func(h *policy.Host) { h.OtherUse = nil }), by: "x2", refused: "the rest of the host uses is not known"},
		{name: "not ours to judge", resource: policy.Memory, host: policy.Host{Skip: "the kubelet decides"}, by: "x2", want: policy.Amount(8 * gi)},
		{name: "to max needs a bound", resource: policy.CPU, host: policy.Host{Skip: "the kubelet decides"}, to: "max", refused: "needs limits.cpu.max"},
		{name: "to max of memory", resource: policy.Memory, host: host(8, 20), to: "max", want: policy.Amount(9 * gi), limits: "host admission"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := situation()
			s.Host, s.Parts = c.host, c.parts
			s.Target.Limits[c.resource] = c.bounds
			d := one(t, s, scale(change(t, c.resource, c.by, c.to, "")))
			if limitsOf(d) != c.limits {
				t.Errorf("touched by %q, want %q: %v", limitsOf(d), c.limits, d.Touches)
			}
			if !c.want.IsUnset() && d.To != c.want || !strings.Contains(d.Refused, c.refused) || (d.Refused != "") != c.want.IsUnset() {
				t.Errorf("-> %v, refused %q; want %v, %q", d.To, d.Refused, c.want, c.refused)
			}
		})
	}
	if got := policy.Claim(policy.Unlimited(), 5, 2) + policy.Claim(policy.Amount(7), 5, 0); got != 17 {
		t.Errorf("an unlimited target counts its use, another its limit: %d, want 17", got)
	}
}

func TestRetentionIsNeverMadeLonger(t *testing.T) {
	s := situation()
	for from, refused := range map[int64]string{86400: "", 6 * 3600: "6h is kept, which is less than 12h already", 43200: "is 12h already"} {
		s.Sizes[policy.Retain] = policy.Amount(from)
		if d := one(t, s, scale(change(t, policy.Retain, "", "12h", ""))); !strings.Contains(d.Refused, refused) || (d.Refused == "") != (refused == "") {
			t.Errorf("from %d s: refused %q, want %q", from, d.Refused, refused)
		}
	}
}

func TestNotObservedIsNotZero(t *testing.T) {
	s := situation()
	delete(s.Sizes, policy.CPU)
	if d := one(t, s, scale(change(t, policy.CPU, "", "4", ""))); d.Refused != "what engram has of cpu is not known" {
		t.Errorf("refused %q", d.Refused)
	}
}
