package policy

import "slices"

func (z *sizing) shrink() {
	if n, ok := z.bounds.Max.Amount(); ok && z.to > n {
		z.cut("max", n, "the maximum is %s", z.amount(n))
	}
	floor := z.r.floor()
	if n, ok := z.bounds.Min.Amount(); ok && n >= floor {
		if z.to < n {
			z.cut("min", n, "the minimum is %s", z.amount(n))
		}
	} else if z.to < floor {
		z.cut("min", floor, "nothing works below %s", z.amount(floor))
	}
	if f := z.s.Floors[z.r]; z.to < f.Amount {
		z.cut(f.Limit, z.ceilOf(float64(f.Amount)), "%s", f.Text)
	}
	if !z.stepUpBelow() {
		return
	}
	if f := z.bounds.MaxStepDown; f > 0 && z.from != asMuchAsPossible {
		if n := z.ceilOf(float64(z.from) * (1 - f)); z.to < n {
			z.cut("max_step_down", n, "one change may take %s%% at most: down to %s", trimFloat(f*100, 1), z.amount(n))
			if !z.stepUpBelow() {
				return
			}
		}
	}
	most, bounded := z.bounds.Max.Amount()
	switch {
	case z.to >= z.from:
		z.refuse("%s stays at %s: %s", z.r, z.amount(z.from), z.because("nothing below it is allowed"))
		return
	case bounded && z.to > most:
		z.refuse("%s stays at %s: %s, and that is above the maximum of %s; a person set it so and can take it back",
			z.r, z.amount(z.from), z.because("it cannot go lower"), z.amount(most))
		return
	}
	z.p.To = Amount(z.to)
	if z.r == Memory {
		z.keepUse()
	}
}

// stepUpBelow rounds a decrease up to a step that still shrinks, and refuses it if there is none.
func (z *sizing) stepUpBelow() bool {
	steps := z.bounds.Steps
	if len(steps) == 0 || slices.Contains(steps, z.to) {
		return true
	}
	i := slices.IndexFunc(steps, func(n int64) bool { return n > z.to })
	if i < 0 || steps[i] >= z.from {
		z.refuse("%s stays at %s: there is no step from %s up that is smaller than it", z.r, z.amount(z.from), z.amount(z.to))
		return false
	}
	if n, ok := z.bounds.Max.Amount(); ok && steps[i] > n {
		z.refuse("%s stays at %s: the step %s is above the maximum of %s", z.r, z.amount(z.from), z.amount(steps[i]), z.amount(n))
		return false
	}
	z.cut("steps", steps[i], "a decrease rounds up to the step %s", z.amount(steps[i]))
	return true
}

// keepUse refuses a live decrease of memory that the target's use would not fit into: the kernel
// would kill it. After a restart use begins anew.
func (z *sizing) keepUse() {
	if z.s.strategy(z.r, Decrease) == Restart {
		return
	}
	use := z.s.WorkingSet
	switch {
	case use == nil:
		z.refuse("memory stays at %s: what is in use is not known", z.amount(z.from))
	case !fits(*use, z.to):
		z.refuse("memory stays at %s: %s is in use, and with a tenth more that does not fit into %s",
			z.amount(z.from), z.amount(*use), z.amount(z.to))
	}
}

// fits reports whether use x 1.1 < limit.
func fits(use, limit int64) bool { return float64(use)*1.1 < float64(limit) }

// floor is the least amount with which anything works at all.
func (r Resource) floor() int64 {
	switch r {
	case CPU:
		return 10 // what Docker and the kubelet take at least
	case Memory:
		return 6 << 20 // what Docker takes at least
	case TiersHotThreshold, TiersWarmThreshold:
		return 0
	}
	return 1
}
