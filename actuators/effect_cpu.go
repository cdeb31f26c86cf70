package actuators

import (
	"fmt"
	"math"

	"github.com/engramd/engramd/policy"
)

// What counts as an effect of more CPU.
//
// Use above the old limit is proof. So is a P99 that is a tenth lower. Throttling and stall are not,
// by themselves: a process that can never use more than one core, at a limit of one core, is stopped
// for an instant in many periods (any second thread that wakes is enough), and for none at a limit of
// one and a half; the share of throttled periods falls from high to zero and nothing was gained.
// What tells the two apart is how much work was held back: a process that was throttled for a real
// share of the time got that time back. And a process that stood at its limit all the time must show
// what was held back as use above that limit; only where so much time was held back that queueing
// alone explains it is the fall believed without.
const (
	aboveLimit     = 1.03 // use above the old limit, beyond what sampling may err
	betterP99      = 0.9
	halved         = 0.5
	atLimit        = 0.95 // a mean use from here on means: at its limit all the time
	pressing       = 0.5  // below this share of the old limit, use says nothing about the limit
	heldBack       = 0.10 // of time given back that shows an effect
	heldBackFull   = 0.25 // the same for a process at its limit
	throttledFew   = 0.10 // of periods, where the time itself is not measured
	stillThrottled = 0.05 // of periods at the new size: more is needed
	stillStalled   = 0.10
)

// cpuEffect judges a growth of CPU from limit first to limit to.
func cpuEffect(before, after Baseline, first, to policy.Quantity) finding {
	var f findings
	b, a := before.Usage, after.Usage
	old, limited := cores(first)
	used := a.Cores
	if used != nil && limited && *used > old*aboveLimit {
		f.add(true, "used %.2f cores, more than the %s it had", *used, policy.CPU.Format(first))
	}
	p99Effect(&f, before.P99, after.P99)
	if b.Cores != nil && used != nil && *used < halved**b.Cores {
		f.bad = nil // the load went away: nothing can be held against the change
		f.miss("used %.2f cores after %.2f: the load went away", *used, *b.Cores)
		return f.anyGood()
	}
	full := b.Cores != nil && limited && *b.Cores >= atLimit*old
	throttleEffect(&f, b, a, full)
	if used != nil && b.Cores != nil && limited && *b.Cores >= pressing*old && *used <= old*aboveLimit {
		f.add(false, "%s", unused(*used, *b.Cores, first, to))
	}
	if len(f.good)+len(f.bad)+len(f.unknown) == 0 {
		f.miss("neither use at the limit, throttling nor p99 was measured")
	}
	return f.anyGood()
}

// unused says in a sentence why more CPU did not help.
func unused(used, before float64, first, to policy.Quantity) string {
	text := fmt.Sprintf("used %.2f cores of %s, as before at %s: more CPU did not help", used, policy.CPU.Format(to), policy.CPU.Format(first))
	if math.Abs(used-before) > 0.03*before {
		text = fmt.Sprintf("used %.2f cores of %s, and %.2f before at %s: more CPU did not help", used, policy.CPU.Format(to), before, policy.CPU.Format(first))
	}
	n := math.Round(used)
	if full := before >= atLimit*limitOf(first); full && n >= 1 && n <= 4 && math.Abs(used-n) <= 0.05*n {
		if n == 1 {
			return text + "; one thread is the likely limit"
		}
		return text + fmt.Sprintf("; %.0f threads are the likely limit", n)
	}
	return text + "; something else holds it back (a lock, a disk, another service, a busy host)"
}

func p99Effect(f *findings, before, after *float64) {
	switch {
	case before == nil && after == nil:
	case before == nil || after == nil || *before <= 0:
		f.miss("p99 cannot be compared")
	default:
		f.add(*after <= betterP99**before, "p99 %s (was %s)", number(*after), number(*before))
	}
}

// throttleEffect compares how much was held back. full says that the process stood at its limit.
func throttleEffect(f *findings, b, a Usage, full bool) {
	enough := heldBack
	if full {
		enough = heldBackFull
	}
	switch {
	case b.ThrottledTime != nil && a.ThrottledTime != nil:
		share(f, "throttled", "time", *b.ThrottledTime, *a.ThrottledTime, enough)
	case b.ThrottledRatio != nil && a.ThrottledRatio != nil && !full:
		share(f, "throttled in", "periods", *b.ThrottledRatio, *a.ThrottledRatio, throttledFew)
	case b.CPUStall != nil && a.CPUStall != nil && b.ThrottledRatio == nil:
		// Where throttling is measured, stall adds only the neighbours' noise.
		share(f, "waiting for CPU", "time", *b.CPUStall, *a.CPUStall, enough)
	}
}

// share judges a fall by half, if what fell was enough to matter.
func share(f *findings, what, of string, before, after, enough float64) {
	switch {
	case before < enough:
		f.miss("%s %s of the %s before: too little to judge by", what, percent(before), of)
	default:
		f.add(after <= halved*before && before-after >= enough, "%s %s of the %s (was %s)", what, percent(after), of, percent(before))
	}
}

// cpuNeeded says why a growth of CPU must not be undone, "" if it may be. Stall counts only where
// throttling is not measured: stall without throttling is a busy host, and no limit cures that.
func cpuNeeded(after Baseline, first policy.Quantity) string {
	u := after.Usage
	old, limited := cores(first)
	switch {
	case u.Cores != nil && limited && *u.Cores > old*aboveLimit:
		return fmt.Sprintf("it uses %.2f cores, more than the %s it had", *u.Cores, policy.CPU.Format(first))
	case u.ThrottledRatio != nil && *u.ThrottledRatio >= stillThrottled:
		return fmt.Sprintf("it is throttled in %s of the periods still", percent(*u.ThrottledRatio))
	case u.ThrottledRatio == nil && u.CPUStall != nil && *u.CPUStall >= stillStalled:
		return fmt.Sprintf("it waits for CPU %s of the time still", percent(*u.CPUStall))
	}
	return ""
}

func limitOf(q policy.Quantity) float64 {
	c, _ := cores(q)
	return c
}

// cores is an amount of CPU in cores.
func cores(q policy.Quantity) (float64, bool) {
	n, ok := q.Amount()
	return float64(n) / 1000, ok
}
