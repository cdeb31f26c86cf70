package policy

import "slices"

func (z *sizing) grow() {
	if n, ok := z.bounds.Min.Amount(); ok && z.to < n {
		z.cut("min", n, "the minimum is %s", z.amount(n))
	}
	if n, ok := z.bounds.Max.Amount(); ok && z.to > n {
		z.cut("max", n, "the maximum is %s", z.amount(n))
	}
	z.stepUp()
	if f := z.bounds.MaxStepUp; f > 0 {
		n := z.floorOf(float64(z.from) * (1 + f))
		if least, ok := z.bounds.Min.Amount(); ok {
			n = max(n, least)
		}
		if z.to > n {
			z.cut("max_step_up", n, "one change may add %s%% at most: %s", trimFloat(f*100, 1), z.amount(n))
		}
	}
	if z.admit(); z.refused != "" {
		return
	}
	z.stepDown()
	least, bounded := z.bounds.Min.Amount()
	switch {
	case bounded && z.to < least && z.to > z.from:
		z.refuse("%s stays at %s: the minimum is %s, and %s", z.r, z.amount(z.from), z.amount(least), z.because("less is left"))
	case z.to <= z.from:
		z.refuse("%s stays at %s: %s", z.r, z.amount(z.from), z.because("nothing above it is allowed"))
	case z.to == asMuchAsPossible:
		z.refuse("`to: max` needs limits.%s.max, or a host whose capacity is known", z.r)
	default:
		z.p.To = Amount(z.to)
	}
}

// stepUp rounds a growth up to a step, unless that would pass its cap or the maximum.
func (z *sizing) stepUp() {
	steps := z.bounds.Steps
	if len(steps) == 0 || slices.Contains(steps, z.to) {
		return
	}
	i := slices.IndexFunc(steps, func(n int64) bool { return n > z.to })
	if i >= 0 && steps[i] <= z.ceiling() {
		z.cut("steps", steps[i], "the next step is %s", z.amount(steps[i]))
		return
	}
	z.stepDown()
}

func (z *sizing) ceiling() int64 {
	ceiling := int64(asMuchAsPossible)
	for _, q := range []Quantity{z.bounds.Max, z.p.Change.Cap} {
		if n, ok := q.Amount(); ok {
			ceiling = min(ceiling, n)
		}
	}
	return ceiling
}

// stepDown rounds a growth down to the largest step that fits; to the size before it if none does.
func (z *sizing) stepDown() {
	steps := z.bounds.Steps
	if len(steps) == 0 || slices.Contains(steps, z.to) {
		return
	}
	below := z.from
	for _, n := range steps {
		if n <= z.to && n > below {
			below = n
		}
	}
	switch {
	case below == z.to:
	case below == z.from:
		z.cut("steps", below, "there is no step between %s and %s", z.amount(z.from), z.amount(z.to))
	default:
		z.cut("steps", below, "the largest step that fits is %s", z.amount(below))
	}
}
