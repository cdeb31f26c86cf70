package policy

import (
	"fmt"
	"math"
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
	// fulfilled says that it is refused because it is so already.
	fulfilled bool
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
	if z.r == CPUs {
		return s.place(z)
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
