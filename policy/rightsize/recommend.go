package rightsize

import (
	"fmt"
	"math"
	"time"
)

// A Sample is what was seen of a resource since the sample before it.
type Sample struct {
	At time.Time
	// Used is the demand as far as the limit let it be seen: cores, or the peak of the working set in
	// bytes. NaN is unknown.
	Used float64
	// Limit is the effective limit; above [Options.Max] it counts as unlimited.
	Limit float64
	// Throttled says that the limit cut demand off: CPU throttling, or stall under PSI.
	Throttled bool
	// OOM says that the kernel killed for want of memory.
	OOM bool
}

// A Rule names what set a recommendation.
type Rule string

// The rules, in the order in which they are asked.
const (
	Unknown   Rule = "unknown"
	Evidence  Rule = "evidence"
	Use       Rule = "use"
	Limits    Rule = "limits"
	Overshoot Rule = "overshoot"
	Waste     Rule = "waste"
	Hold      Rule = "hold"
)

// A Recommendation is the size that a resource should have, and why.
type Recommendation struct {
	Rule       Rule
	Memory     bool    // amounts are bytes, else cores
	From, Size float64 // the limit that is there, and what it should be
	Recent     float64 // the maximum of the recent window
	Margin     float64 // above it
	Saved      float64 // by a decrease since the last change, in unit x minutes
	Price      float64 // of an action, in unit x minutes
	Peaks      int     // earlier throttles that were followed to their peak
	Confidence float64 // 0 to 1, by length of history
}

// Changes reports whether the recommendation is to change anything.
func (r Recommendation) Changes() bool { return r.Rule != Unknown && r.Size != r.From }

// Why says in a sentence what set the size.
func (r Recommendation) Why() string {
	switch r.Rule {
	case Evidence:
		return fmt.Sprintf("demand is cut off at %s: grow to %s (%d earlier peaks known)", r.amount(r.From), r.amount(r.Size), r.Peaks)
	case Use:
		return fmt.Sprintf("use is within a tenth of the limit %s: grow to %s", r.amount(r.From), r.amount(r.Size))
	case Limits:
		return fmt.Sprintf("what is there is outside the limits of the target: %s", r.amount(r.Size))
	case Overshoot:
		return fmt.Sprintf("less than half of the growth to %s was needed: back to %s", r.amount(r.From), r.amount(r.Size))
	case Waste:
		return fmt.Sprintf("recent maximum %s + %.0f%%: %s would have saved %s minutes of it, an action costs %s",
			r.amount(r.Recent), 100*r.Margin, r.amount(r.Size), r.amount(r.Saved), r.amount(r.Price))
	case Unknown:
		return "nothing new is known about the use: hold"
	}
	return fmt.Sprintf("recent maximum %s + %.0f%%; a decrease would have saved %s minutes, an action costs %s: hold",
		r.amount(r.Recent), 100*r.Margin, r.amount(r.Saved), r.amount(r.Price))
}

// amount writes cores as a number, and bytes in mebibytes.
func (r Recommendation) amount(x float64) string {
	if r.Memory {
		return fmt.Sprintf("%.0fMi", x/(1<<20))
	}
	return fmt.Sprintf("%.4g", x)
}

// Observe learns from s and recommends a size. Options must be valid. It is called about once a minute.
func (o Options) Observe(st *State, s Sample) Recommendation {
	if !(s.Limit > 0) {
		return Recommendation{Rule: Unknown, Memory: o.Memory, From: s.Limit, Size: s.Limit, Confidence: st.Confidence()}
	}
	limit := math.Min(s.Limit, math.Max(o.Max, 0))
	cut := s.Throttled || s.OOM
	used := s.Used
	if cut && !(used >= 0 && used <= math.MaxFloat32) {
		used = limit // at least as much as it was given
	}
	if !(used >= 0 && used <= math.MaxFloat32) {
		return o.unknown(st, s.Limit)
	}
	dt, fresh := st.admit(s.At, 2*o.slot())
	if !fresh {
		return o.unknown(st, s.Limit)
	}
	st.see(limit, s.At)
	st.learn(o, s.At, dt, used)
	if s.OOM {
		st.OOMSize, st.OOMUntil = math.Max(limit, st.OOMSize), s.At.Add(oomMemory)
	}
	rule, size := o.decide(st, s, used, cut)
	st.Asked = rule == Evidence
	r := o.recommendation(st, rule, s.Limit)
	r.Size = o.clamp(size)
	if r.Size == s.Limit {
		r.Rule = Hold
	} else if r.Rule == Hold {
		r.Rule = Limits
	}
	return r
}

// unknown recommends what is there, within the limits as far as there are any.
func (o Options) unknown(st *State, limit float64) Recommendation {
	r := o.recommendation(st, Unknown, limit)
	r.Size = limit
	return r
}

func (o Options) recommendation(st *State, rule Rule, from float64) Recommendation {
	return Recommendation{Rule: rule, Memory: o.Memory, From: from, Recent: st.Recent.max(o.window()), Margin: o.margin(st), Saved: st.Waste,
		Price: o.price(st), Peaks: int(min(st.Peaks.Count, peakCount)), Confidence: st.Confidence()}
}

// decide finds the rule that applies.
func (o Options) decide(st *State, s Sample, used float64, cut bool) (Rule, float64) {
	limit := st.Limit
	switch want := o.Want(st); {
	case cut:
		st.Peaks.watch(s.At)
		return Evidence, o.growth(st, used)
	case o.Memory && used*memoryAbove > limit:
		return Use, math.Max(want, used*memoryAbove)
	case o.overshot(st, s.At):
		return Overshoot, o.clamp(st.GrewUse * (1 + o.margin(st)))
	case want < limit*needless && st.Waste > o.price(st) && o.covered(st, s.At):
		return Waste, want
	}
	return Hold, s.Limit
}

// Want is the size that the recent use alone asks for, within the limits. With a longer or a greater
// use that no limit cut off it is never less.
func (o Options) Want(st *State) float64 {
	want := st.Recent.max(o.window()) * (1 + o.margin(st))
	if st.OOMSize > 0 && st.Last.Before(st.OOMUntil) {
		want = math.Max(want, o.bumped(st.OOMSize))
	}
	return o.clamp(want)
}

// growth is where to go when demand is cut off.
func (o Options) growth(st *State, used float64) float64 {
	if o.Memory {
		return math.Max(o.bumped(math.Max(st.Limit, st.OOMSize)), used*memoryAbove)
	}
	peak, known := st.Peaks.quantile(peakQuantile)
	if !known {
		return st.Limit * firstGrowth
	}
	if peak *= 1 + peakMargin; peak > st.Limit*1.05 {
		return peak
	}
	return 2 * st.Limit
}

func (o Options) bumped(size float64) float64 { return math.Max(size*memoryBump, size+memoryBumpMin) }

// overshot says whether the growth on evidence has turned out far too large. It is asked once: a
// growth that was half needed is left to the rule of waste.
func (o Options) overshot(st *State, at time.Time) bool {
	if o.Memory || o.ActionCost > trialCost || st.Grew.IsZero() || at.Sub(st.Grew) < trialLength {
		return false
	}
	st.Grew = time.Time{}
	return o.clamp(st.GrewUse*(1+o.margin(st))) < st.Limit*trialUse
}

// covered says whether the samples of the whole window were seen.
func (o Options) covered(st *State, at time.Time) bool {
	return at.Sub(st.Since) >= time.Duration(o.window())*o.slot()
}

// margin is wider while the history is thin, and never so narrow that memory in use asks for more.
func (o Options) margin(st *State) float64 {
	m := o.Margin * (2 - st.Confidence())
	if o.Memory {
		m = math.Max(m, memoryAbove-1)
	}
	return m
}

// price is what an action costs in unit x minutes.
func (o Options) price(st *State) float64 {
	busy := math.Max(1, st.Acts/o.Busy)
	return o.ActionCost.Minutes() * st.Mean * busy * busy
}
