package policy

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An Interval holds the values v with Lo <= v < Hi. Infinite bounds are open.
type Interval struct{ Lo, Hi float64 }

// Contains reports whether v lies in the interval.
func (i Interval) Contains(v float64) bool { return i.Lo <= v && v < i.Hi }

// MarshalJSON writes [lo, hi] with null for an open bound: JSON has no infinity.
func (i Interval) MarshalJSON() ([]byte, error) {
	bound := func(f float64) *float64 {
		if math.IsInf(f, 0) {
			return nil
		}
		return &f
	}
	return json.Marshal([2]*float64{bound(i.Lo), bound(i.Hi)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Interval) UnmarshalJSON(b []byte) error {
	var pair [2]*float64
	if err := json.Unmarshal(b, &pair); err != nil {
		return fmt.Errorf("interval: want [lo, hi]: %w", err)
	}
	*i = Interval{math.Inf(-1), math.Inf(1)}
	if pair[0] != nil {
		i.Lo = *pair[0]
	}
	if pair[1] != nil {
		i.Hi = *pair[1]
	}
	return nil
}

const halfOpen = "intervals are half-open: the lower bound belongs to it, the upper one does not"

// ParseInterval reads a half-open interval: "70..85", "< 70", ">= 85", "70..", "..70". Bounds are
// plain numbers, or bytes with a unit ("10GB", "1.5Gi").
func ParseInterval(s string) (Interval, error) {
	text := strings.TrimSpace(s)
	fault := func(format string, args ...any) (Interval, error) {
		return Interval{}, fmt.Errorf("interval %.60q: "+format, append([]any{s}, args...)...)
	}
	if text == "" {
		return fault("it is empty; write 70..85, < 70 or >= 85")
	}
	for _, op := range []string{"<=", ">=", "==", "!=", "<", ">", "="} {
		rest, found := strings.CutPrefix(text, op)
		if !found {
			continue
		}
		rest = strings.TrimSpace(rest)
		v, err := parseBound(rest)
		if err != nil {
			return fault("%w", err)
		}
		switch op {
		case "<":
			return Interval{math.Inf(-1), v}, nil
		case ">=":
			return Interval{v, math.Inf(1)}, nil
		case ">":
			return fault("%s; write >= %s", halfOpen, rest)
		case "<=":
			return fault("%s; write < %s, or < with a bound just above it", halfOpen, rest)
		}
		return fault("%s, so a single value cannot be one; write a range such as %s..%s", halfOpen, rest, formatBound(v+1))
	}
	lo, hi, found := strings.Cut(text, "..")
	if !found {
		if left, right, dash := strings.Cut(text, "-"); dash && left != "" && right != "" {
			return fault("write %s..%s", strings.TrimSpace(left), strings.TrimSpace(right))
		}
		return fault("want lo..hi, < hi or >= lo")
	}
	return parseRange(s, strings.TrimSpace(lo), strings.TrimSpace(hi))
}

func parseRange(s, lo, hi string) (Interval, error) {
	i := Interval{math.Inf(-1), math.Inf(1)}
	if lo == "" && hi == "" {
		return Interval{}, fmt.Errorf("interval %.60q: it holds every value; leave the signal out of the row instead", s)
	}
	var err error
	if lo != "" {
		if i.Lo, err = parseBound(lo); err != nil {
			return Interval{}, fmt.Errorf("interval %.60q: %w", s, err)
		}
	}
	if hi != "" {
		if i.Hi, err = parseBound(hi); err != nil {
			return Interval{}, fmt.Errorf("interval %.60q: %w", s, err)
		}
	}
	if i.Lo >= i.Hi {
		return Interval{}, fmt.Errorf("interval %.60q: it holds no value: the lower bound must be below the upper one (%s)", s, halfOpen)
	}
	return i, nil
}

func parseBound(s string) (float64, error) {
	number, factor := s, 1.0
	for _, u := range byteUnits {
		if head, found := strings.CutSuffix(s, u.suffix); found {
			number, factor = strings.TrimSpace(head), float64(u.bytes)
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	v *= factor
	switch {
	case strings.HasSuffix(s, "%"):
		return 0, fmt.Errorf("bound %q: write the number alone, in the signal's own unit", s)
	case err != nil:
		return 0, fmt.Errorf("bound %q is not a number", s)
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("bound %q: want a finite number; leave an open bound out", s)
	}
	return v, nil
}

// String writes i as ParseInterval reads it; "any" is the interval of every value, which has no
// other form.
func (i Interval) String() string {
	switch below, above := math.IsInf(i.Lo, -1), math.IsInf(i.Hi, 1); {
	case below && above:
		return "any"
	case below:
		return "< " + formatBound(i.Hi)
	case above:
		return ">= " + formatBound(i.Lo)
	}
	return formatBound(i.Lo) + ".." + formatBound(i.Hi)
}

func formatBound(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e15) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
