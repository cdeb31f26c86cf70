package actuators

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
)

// judge looks at the effect once it is due. A growth or an operation is judged when its checks are
// complete; a decrease goes on being judged by the latest checks to its end, since harm may come late.
func (r *run) judge(ctx context.Context, w *watch) stage {
	now := time.Now()
	if r.a.Procedure.Asked || now.Before(w.settled.Add(w.v.Every)) || w.verdictGiven {
		return nil
	}
	n := r.check(ctx, w, min(now.Sub(w.settled), w.v.stretch()))
	if n < w.v.Checks {
		return nil
	}
	if r.a.Resource == policy.CPUs {
		return r.judgePlacement(w)
	}
	shown := verdict(r.a.Checks)
	if r.a.Direction == policy.Decrease && !r.byTrigger() {
		if shown != nil && !*shown {
			return r.takeBack("it is worse than before: " + r.evidence())
		}
		return nil
	}
	if shown != nil && *shown {
		w.verdictGiven = true
		return nil
	}
	if r.byTrigger() && now.Before(w.until) {
		return nil // its signals may look far back: there is time until the end
	}
	if r.a.Direction == policy.Growth {
		if need := r.needed(); need != "" {
			return r.end(ctx, Insufficient, "it stays, and more is needed: "+need, r.demand)
		}
	}
	w.verdictGiven = true
	if shown != nil {
		return r.noEffect(ctx)
	}
	return nil
}

// check measures the effect over the last length, journals what it found and says how many checks
// there are. Only as many as the verdict needs are kept.
func (r *run) check(ctx context.Context, w *watch, length time.Duration) int {
	now := time.Now()
	after := r.measure(ctx, now.Add(-length), now)
	found := r.compare(ctx, w, after)
	c := Check{At: now, Shown: found.shown, Text: found.text}
	n := min(len(r.a.Checks)+1, w.v.Checks)
	r.noted(func(a *Action) {
		checks := append(a.Checks[:len(a.Checks):len(a.Checks)], c)
		a.Checks = checks[len(checks)-n:]
	})
	r.latest = after
	if !w.said || n < w.v.Checks || !same(c.Shown, w.saidShown) {
		r.event(policy.EventValidate, policy.Info, fmt.Sprintf("effect %d/%d: %s", n, w.v.Checks, c.Text), nil)
	}
	w.said, w.saidShown = n == w.v.Checks, c.Shown
	return n
}

func same(a, b *bool) bool { return a == b || a != nil && b != nil && *a == *b }

// compare says whether what was measured after the change shows its effect.
func (r *run) compare(ctx context.Context, w *watch, after Baseline) finding {
	var before Baseline
	if r.a.Baseline != nil {
		before = *r.a.Baseline
	}
	switch {
	case r.a.Resource == policy.CPUs:
		return r.placed(ctx, w, before, after)
	case r.byTrigger():
		return r.triggerLeft(ctx)
	case r.a.Direction == policy.Decrease:
		return decreaseEffect(before, after, r.a.Procedure.Validation.ensureDefaults().Tolerance)
	case r.a.Resource == policy.Memory:
		return memoryEffect(before, after, r.a.First)
	}
	return cpuEffect(before, after, r.a.First, r.a.To)
}

// byTrigger reports whether the effect of this change is that its triggering signal left its row. Where
// there was too much of what carries load, there still is after one step down: such a decrease must do no
// harm, like any other.
func (r *run) byTrigger() bool {
	switch r.a.Resource {
	case policy.CPU, policy.Memory:
		return false
	case policy.ThreadsSpreading, policy.ThreadsConsolidation, policy.Replicas:
		return r.a.Direction != policy.Decrease
	}
	return true
}

// triggerLeft asks whether the signals that led here still hold.
func (r *run) triggerLeft(ctx context.Context) finding {
	var said []string
	left, known := false, false
	for _, t := range r.a.Procedure.Trigger {
		value, _, ok := r.read(ctx, t.Expr)
		if !ok {
			continue
		}
		known = true
		left = left || !t.In.Contains(value)
		said = append(said, fmt.Sprintf("%s is %.4g", t.Expr, value))
	}
	if !known {
		return finding{text: "the signal that led here is unknown"}
	}
	if left {
		return finding{shown: yes, text: strings.Join(said, ", ") + ": it left the row that led here"}
	}
	return finding{shown: no, text: strings.Join(said, ", ") + ": still in the row that led here"}
}

// verdict is what the majority of the checks that could tell says; nil if none could.
func verdict(checks []Check) *bool {
	told, good := 0, 0
	for _, c := range checks {
		if c.Shown == nil {
			continue
		}
		told++
		if *c.Shown {
			good++
		}
	}
	if told == 0 {
		return nil
	}
	shown := 2*good > told
	return &shown
}

// evidence is what the latest check said that agrees with the verdict.
func (r *run) evidence() string {
	shown := verdict(r.a.Checks)
	for _, c := range slices.Backward(r.a.Checks) {
		if same(c.Shown, shown) {
			return c.Text
		}
	}
	return "nothing was measured"
}

// needed says what in the latest measurement shows that a growth is needed, "" if nothing does.
func (r *run) needed() string {
	switch r.a.Resource {
	case policy.Memory:
		return memoryNeeded(r.latest, r.a.First)
	case policy.CPU:
		return cpuNeeded(r.latest, r.a.First)
	case policy.ThreadsSpreading, policy.ThreadsConsolidation:
		if r.a.Baseline != nil {
			return threadsNeeded(*r.a.Baseline, r.latest, r.a.First, r.a.To)
		}
	}
	return ""
}

// neededNow is needed of what was measured just now, and after the change began to hold.
func (r *run) neededNow(ctx context.Context, since time.Time) string {
	if r.a.Direction != policy.Growth {
		return ""
	}
	now := time.Now()
	r.latest = r.measure(ctx, later(since, now.Add(-r.a.Procedure.Validation.ensureDefaults().stretch())), now)
	return r.needed()
}

// demand notes under which demand the verdict was found.
func (r *run) demand(a *Action) { a.DemandCores = r.latest.Usage.Cores }

// noEffect ends a change that did not help: it is diagnosed, taken back (or kept, as configured) and
// not tried again in the same circumstances for a while.
func (r *run) noEffect(ctx context.Context) stage {
	if r.x.cfg.Diagnose != nil {
		bounded, cancel := context.WithTimeout(ctx, lookTimeout)
		text := r.x.cfg.Diagnose(bounded, r.a)
		cancel()
		if text != "" {
			r.noted(func(a *Action) { a.Diagnosis = text })
			r.event(policy.EventDiagnose, policy.Info, text, nil)
		}
	}
	reason := fmt.Sprintf("no effect: %s; not again for %s in the same circumstances (%s)", r.evidence(),
		policy.FormatDuration(r.a.Procedure.RetryAfter), circumstances(r.a))
	if why := r.unfollowed(); why != "" {
		reason += "; or the process did not pick it up: " + why
	}
	switch {
	case r.a.Procedure.Validation.NoEffect == "keep":
		return r.end(ctx, Kept, reason+"; kept, as configured", r.remember)
	case r.a.Direction == policy.Operation:
		return r.end(ctx, Kept, reason+"; an operation cannot be taken back", r.remember)
	}
	return r.takeBack(reason)
}

// circumstances names what led to an action, a row of a matrix or a policy, and its sizes.
func circumstances(a Action) string {
	row := cmp.Or(a.Decision.Policy, "by hand")
	if a.Decision.Row > 0 {
		row = fmt.Sprintf("row %d", a.Decision.Row)
	}
	if a.Resource.IsOperation() {
		return row
	}
	return fmt.Sprintf("%s, %s -> %s", row, a.Resource.Format(a.From), a.Resource.Format(a.To))
}
