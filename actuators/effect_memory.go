package actuators

import (
	"fmt"

	"github.com/engramd/engramd/policy"
)

// What counts as memory pressure, and what as its end: pressure is gone when a tenth of it is left,
// or less than anybody would notice.
const (
	noticedStall    = 0.01 // of time
	noticedRefaults = 10   // a second
	noticedReclaim  = 0.1  // limit hits a second
	leftOver        = 0.1
)

// memoryEffect judges a growth of memory: reclaim pressure, refaults or OOM kills are gone, or more
// is in use than there was.
func memoryEffect(before, after Baseline, first policy.Quantity) finding {
	var f findings
	b, a := before.Usage, after.Usage
	if n, ok := first.Amount(); ok && a.WorkingSet != nil && *a.WorkingSet > n {
		f.add(true, "uses %s, more than the %s it had", policy.Memory.Format(policy.Amount(*a.WorkingSet)), policy.Memory.Format(first))
	}
	if b.OOMKills != nil && a.OOMKills != nil && *b.OOMKills > 0 {
		f.add(*a.OOMKills == 0, "%d out-of-memory kills (was %d)", *a.OOMKills, *b.OOMKills)
	}
	gone(&f, "memory stall", b.MemoryStall, a.MemoryStall, noticedStall)
	gone(&f, "refaults a second", b.Refaults, a.Refaults, noticedRefaults)
	gone(&f, "limit hits a second", b.ReclaimStalls, a.ReclaimStalls, noticedReclaim)
	p99Effect(&f, before.P99, after.P99)
	if len(f.good)+len(f.bad)+len(f.unknown) == 0 {
		f.miss("there was no memory pressure before that could have gone")
	}
	return f.anyGood()
}

func gone(f *findings, what string, before, after *float64, noticed float64) {
	if before == nil || after == nil || *before < noticed {
		return
	}
	f.add(*after <= max(leftOver**before, leftOver*noticed), "%s %s (was %s)", what, number(*after), number(*before))
}

// memoryNeeded says why a growth of memory must not be undone, "" if it may be.
func memoryNeeded(after Baseline, first policy.Quantity) string {
	u := after.Usage
	old, limited := first.Amount()
	switch {
	case limited && u.WorkingSet != nil && float64(*u.WorkingSet) > float64(old)*aboveLimit:
		return fmt.Sprintf("it uses %s, more than the %s it had", policy.Memory.Format(policy.Amount(*u.WorkingSet)), policy.Memory.Format(first))
	case u.OOMKills != nil && *u.OOMKills > 0:
		return fmt.Sprintf("%d out-of-memory kills still", *u.OOMKills)
	case u.MemoryStall != nil && *u.MemoryStall >= noticedStall:
		return fmt.Sprintf("it waits for memory %s of the time still", percent(*u.MemoryStall))
	case u.Refaults != nil && *u.Refaults >= noticedRefaults:
		return number(*u.Refaults) + " refaults a second still"
	case u.ReclaimStalls != nil && *u.ReclaimStalls >= noticedReclaim:
		return number(*u.ReclaimStalls) + " limit hits a second still"
	}
	return ""
}

// How much worse a decrease may make what has no ratio, beside the stated tolerance.
const (
	moreThrottled = 0.05 // of periods
	moreErrors    = 0.001
)

// decreaseEffect judges a decrease: p99, errors and throttling must not be worse than tolerance.
func decreaseEffect(before, after Baseline, tolerance float64) finding {
	var f findings
	within := func(what string, before, after *float64, slack float64) {
		switch {
		case before == nil && after == nil:
		case before == nil || after == nil:
			f.miss("%s cannot be compared", what)
		default:
			f.add(*after <= *before*(1+tolerance)+slack, "%s %s (was %s)", what, number(*after), number(*before))
		}
	}
	within("p99", positive(before.P99), after.P99, 0)
	within("errors", before.ErrorRate, after.ErrorRate, moreErrors)
	within("throttled periods", before.Usage.ThrottledRatio, after.Usage.ThrottledRatio, moreThrottled)
	within("memory stall", before.Usage.MemoryStall, after.Usage.MemoryStall, noticedStall)
	if len(f.good)+len(f.bad)+len(f.unknown) == 0 {
		f.miss("neither p99, errors nor throttling was measured")
	}
	return f.noneBad()
}

// positive drops a zero, which cannot be the base of a ratio.
func positive(v *float64) *float64 {
	if v != nil && *v <= 0 {
		return nil
	}
	return v
}
