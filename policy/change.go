package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Change is what a row, an alert or a person asks of one resource. Exactly one of By and To is set,
// and neither for an operation.
type Change struct {
	Resource Resource `json:"resource"`
	By       *By      `json:"by,omitempty"`
	To       *To      `json:"to,omitempty"`
	// Cap ends growth; it never shrinks. Unset is no cap.
	Cap Quantity `json:"cap,omitzero"`
}

// By is a relative change: a factor, or an amount added.
type By struct {
	Factor float64 `json:"factor,omitempty"` // x2 is 2, 50% is 1.5, -20% is 0.8
	Add    int64   `json:"add,omitempty"`
}

// To is an absolute change.
type To struct {
	Max    bool  `json:"max,omitempty"` // the largest that limits and host allow
	Amount int64 `json:"amount,omitempty"`
	// Placement says which processors, of [CPUs].
	Placement Placement `json:"placement,omitempty"`
}

// ParseChange reads {by: x2 | 50% | 2 | 1Gi, to: max | N, cap: N} of r; what is absent is "". An
// operation has none of the three.
func ParseChange(r Resource, by, to, limit string) (Change, error) {
	by, to, limit = strings.TrimSpace(by), strings.TrimSpace(to), strings.TrimSpace(limit)
	c := Change{Resource: r}
	var err error
	if by != "" {
		if c.By, err = parseBy(r, by); err != nil {
			return Change{}, fmt.Errorf("%s: by: %w", r, err)
		}
	}
	if to != "" {
		if c.To, err = parseTo(r, to); err != nil {
			return Change{}, fmt.Errorf("%s: to: %w", r, err)
		}
	}
	if limit != "" {
		if c.Cap, err = ParseQuantity(r, limit); err != nil {
			return Change{}, fmt.Errorf("cap: %w", err)
		}
	}
	if err := c.check(); err != nil {
		return Change{}, fmt.Errorf("%s: %w", r, err)
	}
	return c, nil
}

func parseBy(r Resource, s string) (*By, error) {
	if number, found := strings.CutPrefix(s, "x"); found {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, fmt.Errorf("%.40q: want a factor such as x2 or x1.5", s)
		}
		return &By{Factor: f}, nil
	}
	if number, found := strings.CutSuffix(s, "%"); found {
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil {
			return nil, fmt.Errorf("%.40q: want per cent such as 50%% or -20%%", s)
		}
		return &By{Factor: 1 + f/100}, nil
	}
	n, err := r.parse(strings.TrimPrefix(s, "+"))
	if err != nil {
		return nil, fmt.Errorf("%w; or x2, or 50%%", err)
	}
	if n == 0 {
		return nil, fmt.Errorf("%.40q changes nothing", s)
	}
	return &By{Add: n}, nil
}

func parseTo(r Resource, s string) (*To, error) {
	if r == CPUs {
		p, err := ParsePlacement(s)
		return &To{Placement: p}, err
	}
	if s == "max" {
		return &To{Max: true}, nil
	}
	q, err := ParseQuantity(r, s)
	if err != nil {
		return nil, err
	}
	n, ok := q.Amount()
	if !ok {
		return nil, fmt.Errorf("%.40q: nothing is ever made unlimited; write max for as much as limits and host allow", s)
	}
	return &To{Amount: n}, nil
}

// check reports what is wrong with c, whoever built it.
func (c Change) check() error {
	if c.Resource.IsOperation() {
		if c.By != nil || c.To != nil || !c.Cap.IsUnset() {
			return errors.New("it is an operation: it has no by, to or cap")
		}
		return nil
	}
	if c.Resource.unit() == none {
		return errors.New("there is no such resource")
	}
	if c.Resource == CPUs {
		return c.checkPlacement()
	}
	switch {
	case c.By == nil && c.To == nil:
		return errors.New("say how much: by (x2, 50%, an amount) or to (max, an amount)")
	case c.By != nil && c.To != nil:
		return errors.New("by and to exclude each other")
	case c.By != nil:
		return c.checkBy()
	}
	if !c.To.Max && c.To.Amount <= 0 {
		return errors.New("to: want an amount above zero, or max")
	}
	return c.checkCap()
}

// checkPlacement reports what is wrong with a change of processors.
func (c Change) checkPlacement() error {
	if c.By != nil || !c.Cap.IsUnset() || c.To == nil {
		return errors.New("say which processors: to (numa-aligned, all, node1, or 0-3,8); by and cap say how many, which cpu does")
	}
	if p, err := ParsePlacement(string(c.To.Placement)); err != nil || p != c.To.Placement || c.To.Max || c.To.Amount != 0 {
		return fmt.Errorf("to: want numa-aligned, all, a node such as node1, or processors such as 0-3,8, got %.40q", string(c.To.Placement))
	}
	return nil
}

func (c Change) checkBy() error {
	f := c.By.Factor
	switch {
	case f == 0 && c.By.Add == 0:
		return errors.New("by: a factor must be above zero")
	case f != 0 && c.By.Add != 0:
		return errors.New("by: a factor and an amount exclude each other")
	case f == 1:
		return errors.New("by: x1 changes nothing")
	case f < 0 || math.IsNaN(f) || math.IsInf(f, 0):
		return errors.New("by: a factor must be above zero: x2 doubles, x0.5 or -50% halves")
	case f > 1000:
		return errors.New("by: a factor above 1000 is a mistake; 100% doubles")
	}
	return c.checkCap()
}

func (c Change) checkCap() error {
	n, isAmount := c.Cap.Amount()
	switch {
	case c.Cap.IsUnset():
		return nil
	case !isAmount || n <= 0:
		return errors.New("cap: want an amount above zero; leave it out for no cap")
	case c.By != nil && (c.By.Add < 0 || c.By.Factor != 0 && c.By.Factor < 1):
		return errors.New("cap: it ends growth, and this change shrinks; bound it with limits.min")
	case c.To != nil && !c.To.Max && c.To.Amount > n:
		return fmt.Errorf("cap: it lies below to (%s)", c.Resource.Format(Amount(c.To.Amount)))
	}
	return nil
}

// direction says which way c goes from what sizes holds; "" if that is not known.
func (c Change) direction(sizes Size) Direction {
	switch {
	case c.Resource.IsOperation():
		return Operation
	case c.By != nil && (c.By.Add > 0 || c.By.Factor > 1):
		return Growth
	case c.By != nil:
		return Decrease
	case c.To == nil, c.Resource == CPUs: // only where the processors lie tells that
		return ""
	case c.To.Max:
		return Growth
	}
	now, known := sizes[c.Resource]
	n, limited := now.Amount()
	switch {
	case !known || limited && n == c.To.Amount:
		return ""
	case limited && n < c.To.Amount:
		return Growth
	}
	return Decrease // also from no limit at all
}

// String writes c as a person would: "cpu x2, at most 8 cores".
func (c Change) String() string {
	text := string(c.Resource)
	switch {
	case c.By != nil && c.By.Factor != 0:
		text += " x" + trimFloat(c.By.Factor, 3)
	case c.By != nil && c.By.Add < 0:
		text += " -" + c.Resource.Format(Amount(-c.By.Add))
	case c.By != nil:
		text += " +" + c.Resource.Format(Amount(c.By.Add))
	case c.To != nil && c.To.Max:
		text += " to the maximum"
	case c.To != nil && c.To.Placement != "":
		text += " to " + string(c.To.Placement)
	case c.To != nil:
		text += " to " + c.Resource.Format(Amount(c.To.Amount))
	}
	if !c.Cap.IsUnset() {
		text += ", at most " + c.Resource.Format(c.Cap)
	}
	return text
}
