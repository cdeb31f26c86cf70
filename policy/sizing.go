package policy

import (
	"fmt"
	"math"
	"slices"
)

// A sizing takes one proposal from what it asks to what it may get, noting every limit on the way.
type sizing struct {
	s        *Situation
	p        *Proposal
	r        Resource
	bounds   Bounds
	from, to int64
	touches  []Touch
	refused  string
}

// asMuchAsPossible is what `to: max` asks for.
const asMuchAsPossible = math.MaxInt64

// size resolves p.Change to a size and applies the limits that do not depend on time: target minimum
// and maximum, steps, the largest step, host admission. It sets From, To and Direction of p.
func (s *Situation) size(p *Proposal) *sizing {
	z := &sizing{s: s, p: p, r: p.Change.Resource, bounds: s.Target.Limits[p.Change.Resource]}
	p.From, p.To = Quantity{}, Quantity{}
	if z.r.IsOperation() {
		p.Direction = Operation
		return z
	}
	from, observed := s.Sizes[z.r]
	p.From = from
	if p.Direction = p.Change.direction(s.Sizes); !observed {
		return z.refuse("what %s has of %s is not known", s.Target.Name, z.r)
	}
	if err := p.Change.check(); err != nil {
		return z.refuse("%s: %s", z.r, err)
	}
	if n, limited := from.Amount(); limited {
		z.from = n
	} else if !z.fromUnlimited() {
		return z
	}
	z.resolve()
	switch {
	case z.refused != "":
	case p.Direction == Growth:
		z.grow()
	case p.Direction == Decrease:
		z.shrink()
	}
	return z
}

// fromUnlimited says whether a change is possible where nothing limits the resource.
func (z *sizing) fromUnlimited() bool {
	switch c := z.p.Change; {
	case z.p.Direction == Growth:
		z.refuse("%s has no limit on %s: there is nothing to grow", z.s.Target.Name, z.r)
	case c.By != nil:
		z.refuse("%s has no limit on %s to shrink from; set one with `to`", z.s.Target.Name, z.r)
	default:
		z.from = asMuchAsPossible
	}
	return z.refused == ""
}

// resolve turns the change into the size it asks for, before any limit but its own cap.
func (z *sizing) resolve() {
	c := z.p.Change
	switch {
	case c.To != nil && c.To.Max:
		z.to = asMuchAsPossible
	case c.To != nil:
		z.to = c.To.Amount
	case c.By.Factor != 0:
		z.to = z.scaled(c.By.Factor)
	default:
		z.to = saturatingAdd(z.from, c.By.Add)
	}
	if z.p.Direction == "" || z.to == z.from {
		z.p.To = Amount(z.to)
		z.refuse("%s is %s already", z.r, z.amount(z.from))
		return
	}
	if z.r == Retain && c.To != nil && z.p.Direction == Growth {
		z.refuse("%s is kept, which is less than %s already", z.amount(z.from), z.amount(z.to))
	}
	if n, capped := c.Cap.Amount(); capped && z.to > n && z.p.Direction == Growth {
		z.cut("cap", n, "the cap is %s", z.amount(n))
	}
}

// scaled multiplies what there is. Sizes in bytes come out in whole MiB, so that what is asked is what
// a kernel shows; both directions round up.
func (z *sizing) scaled(factor float64) int64 {
	unit := z.grain()
	f := math.Ceil(float64(z.from)*factor/float64(unit) - 1e-6)
	if f >= float64(asMuchAsPossible/unit) {
		return asMuchAsPossible
	}
	return int64(f) * unit
}

func (z *sizing) grain() int64 {
	if z.r.unit() == bytes && z.from >= 64<<20 {
		return 1 << 20
	}
	return 1
}

func saturatingAdd(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

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

func (z *sizing) floorOf(f float64) int64 {
	if f >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(f+1e-6) / z.grain() * z.grain()
}

func (z *sizing) ceilOf(f float64) int64 {
	g := z.grain()
	return (int64(math.Ceil(f-1e-6)) + g - 1) / g * g
}

// cut moves the size to n, because of the limit.
func (z *sizing) cut(limit string, n int64, format string, args ...any) {
	if n == z.to {
		return
	}
	z.touches = append(z.touches, Touch{Limit: limit, From: shown(z.to), To: Amount(n), Text: fmt.Sprintf(format, args...)})
	z.to = n
}

func (z *sizing) refuse(format string, args ...any) *sizing {
	if z.refused == "" {
		z.refused = fmt.Sprintf(format, args...)
	}
	return z
}

// because is what the last limit said, to explain a refusal.
func (z *sizing) because(otherwise string) string {
	if len(z.touches) == 0 {
		return otherwise
	}
	return z.touches[len(z.touches)-1].Text
}

func (z *sizing) amount(n int64) string { return z.r.Format(shown(n)) }

func shown(n int64) Quantity {
	if n == asMuchAsPossible {
		return Unlimited()
	}
	return Amount(n)
}
