package sizing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
	"github.com/engramd/engramd/policy/rightsize"
)

// An Analysis is what the targets used over a period, and what they should have.
type Analysis struct {
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Targets []TargetSizes `json:"targets"`
	// Notes say what could not be told.
	Notes []string `json:"notes,omitempty"`
}

// TargetSizes is the analysis of one target.
type TargetSizes struct {
	Target    string          `json:"target"`
	Phase     capacity.Phase  `json:"phase"`
	Resources []ResourceSizes `json:"resources"`
	// Parts is how many of it there are, such as the pods of a Deployment; 0 is not known. Sizes of CPU and memory are one part's.
	Parts int `json:"parts,omitempty"`
	// Saving is what the recommended sizes of all parts cost less in a month; nil without prices, and without any limit.
	Saving   *float64 `json:"saving_per_month,omitempty"`
	Currency string   `json:"currency,omitempty"`
}

// ResourceSizes is the analysis of one resource of one target, in cores or bytes.
type ResourceSizes struct {
	Resource policy.Resource `json:"resource"`
	Mean     float64         `json:"mean"`
	P50      float64         `json:"p50"`
	P90      float64         `json:"p90"`
	P95      float64         `json:"p95"`
	P99      float64         `json:"p99"`
	Peak     float64         `json:"peak"`
	// Limit is what holds now, PeakPercent the peak of it; nil where there is none, or nobody knows it: the host is
	// no limit of a target's, and nothing is saved of it.
	Limit       *float64 `json:"limit"`
	PeakPercent *float64 `json:"peak_percent"`
	// Phased is the size by the guide's phase; nil in the first week, when what a planner said is doubled
	// and nothing that was used tells that. Rightsize is what the rightsize policy holds.
	Phased    *float64 `json:"phase_size"`
	Rightsize float64  `json:"rightsize_size"`
	// Recommended is the phase's size, or where there is none the policy's.
	Recommended float64 `json:"recommended"`
	// Saved is what the recommended size is below the limit; below zero it is too small now.
	Saved      *float64 `json:"saved"`
	Confidence float64  `json:"confidence"` // 0 to 1: how long and how densely it was measured
}

// AnalyzeOptions say what is analysed.
type AnalyzeOptions struct {
	Now    time.Time
	Period time.Duration
	Phase  capacity.Phase   // "" is by the age of the history
	Target string           // "" is all
	Prices *capacity.Prices // nil is none
}

// A sized is a resource and where its history is.
type sized struct {
	resource policy.Resource
	use      string // per target, the worst of its parts
	limit    string
	evidence string // above zero: the limit cut demand off
	target   capacity.Target
	options  func(least, most float64) rightsize.Options
	least    float64
}

var resources = []sized{
	{
		policy.CPU, "max by (target) (rate(engramd_target_cpu_seconds_total[2m]))", "min by (target) (engramd_target_cpu_limit_cores unless engramd_target_cpu_unlimited == 1)",
		"max by (target) (rate(engramd_target_cpu_throttled_seconds_total[2m]))", capacity.CPUTarget(), rightsize.CPU, 0.01,
	},
	{
		policy.Memory, "max by (target) (max_over_time(engramd_target_memory_working_set_bytes[2m]))", "min by (target) (engramd_target_memory_limit_bytes unless engramd_target_memory_unlimited == 1)",
		"max by (target) (increase(engramd_target_oom_kills_total[2m]))", capacity.MemoryTarget(), rightsize.Memory, 1 << 20,
	},
	{policy.Storage, "sum by (target) (engram_storage_usage_bytes)", "min by (target) (engram_storage_limit_bytes)", "", capacity.StorageTarget(), nil, 0},
}

// partsOf counts the parts of each target; a target that has no more than one does not name it.
const partsOf = "count by (target) (count by (target, pod) (engramd_target_info))"

// LeastPeriod is the shortest that tells anything.
const LeastPeriod = 10 * time.Minute

// throttledFrom is how many seconds a second tasks were stopped at the quota, from which demand was cut off.
const throttledFrom = 0.01

// Analyze asks for what was used over a period and says what it should be.
func Analyze(ctx context.Context, q Querier, o AnalyzeOptions) (Analysis, error) {
	if o.Period < LeastPeriod {
		return Analysis{}, fmt.Errorf("a period of %s: want %s at least", o.Period, policy.FormatDuration(LeastPeriod))
	}
	a := Analysis{From: o.Now.Add(-o.Period), To: o.Now, Targets: []TargetSizes{}}
	found := map[string]*TargetSizes{}
	for _, r := range resources {
		uses, err := histories(ctx, q, r.use, o.Now, o.Period)
		if err != nil {
			return a, err
		}
		limits, err := histories(ctx, q, r.limit, o.Now, o.Period)
		if err != nil {
			return a, err
		}
		evidence := map[string]History{}
		if r.evidence != "" {
			if evidence, err = histories(ctx, q, r.evidence, o.Now, o.Period); err != nil {
				return a, err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(uses)) {
			if name == "" || o.Target != "" && name != o.Target {
				continue
			}
			sizes, phase, err := r.analyze(o, uses[name], limits[name], evidence[name])
			if err != nil {
				a.Notes = append(a.Notes, fmt.Sprintf("%s of %s: %v", r.resource, name, err))
				continue
			}
			t := found[name]
			if t == nil {
				t = &TargetSizes{Target: name, Phase: phase}
				found[name] = t
			}
			t.Resources = append(t.Resources, sizes)
		}
	}
	parts, err := histories(ctx, q, partsOf, o.Now, o.Period)
	if err != nil {
		return a, err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if n, ok := parts[name].last(); ok {
			found[name].Parts = int(n)
		}
		found[name].price(o.Prices)
		a.Targets = append(a.Targets, *found[name])
	}
	if o.Target != "" && len(a.Targets) == 0 {
		return a, fmt.Errorf("nothing was measured of a target %q in the last %s", o.Target, policy.FormatDuration(o.Period))
	}
	return a, nil
}

var errThin = errors.New("less than ten minutes were measured")

func (r sized) analyze(o AnalyzeOptions, use, limit, evidence History) (ResourceSizes, capacity.Phase, error) {
	values := use.known()
	first, ok := use.first()
	if !ok || len(values) < 10 && float64(len(values))*use.Step.Minutes() < 10 {
		return ResourceSizes{}, "", errThin
	}
	s := ResourceSizes{
		Resource: r.resource, Mean: meanOf(values), Peak: values[len(values)-1],
		P50: quantile(values, 0.5), P90: quantile(values, 0.9), P95: quantile(values, 0.95), P99: quantile(values, 0.99),
	}
	if l, ok := limit.last(); ok && l > 0 {
		s.Limit, s.PeakPercent = &l, new(100*s.Peak/l)
	}
	phase := o.Phase
	if phase == "" {
		phase = capacity.PhaseAt(o.Now.Sub(first))
	}
	if phase != capacity.Initial {
		size, err := phase.Sized(0, s.Mean, s.Peak, r.target)
		if err != nil {
			return s, phase, err
		}
		s.Phased = &size
	}
	covered := float64(len(values)) * use.Step.Hours()
	s.Confidence = math.Min(1, covered/(7*24)) * math.Min(1, covered/o.Now.Sub(first).Hours())
	s.Rightsize = r.rightsize(s, use, limit, evidence)
	s.Recommended = s.Rightsize
	if s.Phased != nil {
		s.Recommended = *s.Phased
	}
	if s.Limit != nil {
		s.Saved = new(*s.Limit - s.Recommended)
	}
	return s, phase, nil
}

// rightsize is what the policy holds after it has seen the history; of what it does not size, the peak with its headroom.
func (r sized) rightsize(s ResourceSizes, use, limit, evidence History) float64 {
	if r.options == nil {
		return 100 * s.Peak / r.target.Peak
	}
	most := 1e3 * math.Max(s.Peak, r.least)
	if s.Limit != nil {
		most = 8 * math.Max(s.Peak, *s.Limit)
	}
	o := r.options(r.least, most)
	var st rightsize.State
	held := math.NaN()
	for i, v := range use.Values {
		if i < len(limit.Values) && !math.IsNaN(limit.Values[i]) {
			held = limit.Values[i]
		}
		sample := rightsize.Sample{At: use.From.Add(time.Duration(i) * use.Step), Used: v, Limit: held}
		if sample.Throttled = i < len(evidence.Values) && evidence.Values[i] > throttledFrom; math.IsNaN(held) {
			sample.Limit = 2 * most // as the live loop has what is not limited
		}
		o.Observe(&st, sample)
	}
	return o.Want(&st)
}

// quantile is that of ascending values, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// price says what the recommended sizes cost less than those that are there.
func (t *TargetSizes) price(p *capacity.Prices) {
	if p == nil || !slices.ContainsFunc(t.Resources, func(r ResourceSizes) bool { return r.Limit != nil }) {
		return
	}
	now, then := t.sizes(func(r ResourceSizes) float64 {
		if r.Limit == nil {
			return 0
		}
		return *r.Limit
	}), t.sizes(func(r ResourceSizes) float64 {
		if r.Limit == nil {
			return 0 // what is not known now saves nothing
		}
		return r.Recommended
	})
	t.Saving, t.Currency = new(p.OfSize(t.all(now)).Total-p.OfSize(t.all(then)).Total), p.Currency
}

// all is what all parts have where one has s. Storage is the target's already.
func (t *TargetSizes) all(s capacity.Size) capacity.Size {
	n := int64(max(1, t.Parts))
	s.MilliCPU, s.MemoryBytes = n*s.MilliCPU, n*s.MemoryBytes
	return s
}

// Recommended is the size that is recommended for the target; what was not analysed is zero.
func (t TargetSizes) Recommended() capacity.Size {
	return t.sizes(func(r ResourceSizes) float64 { return r.Recommended })
}

func (t TargetSizes) sizes(of func(ResourceSizes) float64) capacity.Size {
	var s capacity.Size
	for _, r := range t.Resources {
		switch v := of(r); r.Resource {
		case policy.CPU:
			s.MilliCPU = int64(math.Ceil(v*1000 - 1e-6)) // floats err
		case policy.Memory:
			s.MemoryBytes = int64(math.Ceil(v))
		case policy.Storage:
			s.StorageBytes = int64(math.Ceil(v))
		}
	}
	return s
}
