package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var durationUnits = []struct {
	suffix string
	of     time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
}

// ParseDuration reads a duration that may also be in days and weeks: "2w", "1d12h", "90s", "500ms".
// A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimSpace(s)
	var days time.Duration
	for _, u := range durationUnits[:2] {
		head, tail, found := strings.Cut(rest, u.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(head, 64)
		if err != nil || math.IsNaN(n) || math.Abs(n)*float64(u.of)+math.Abs(float64(days)) > math.MaxInt64/2 {
			return 0, fmt.Errorf("duration %.40q: want a form like 30s, 5m, 48h, 7d or 2w", s)
		}
		days += time.Duration(n * float64(u.of))
		rest = tail
	}
	if rest == "" && days != 0 {
		return days, nil
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil && isNumber(rest):
		return 0, fmt.Errorf("duration %.40q: the unit is missing: %ss, %sm or %sh", s, rest, rest, rest)
	case err != nil:
		return 0, fmt.Errorf("duration %.40q: want a form like 30s, 5m, 48h, 7d or 2w", s)
	case days != 0 && d < 0:
		return 0, fmt.Errorf("duration %.40q: only the whole can be negative", s)
	case d > math.MaxInt64/2:
		return 0, fmt.Errorf("duration %.40q: too long", s)
	}
	return days + d, nil
}

// FormatDuration writes d as a person would, exact to the second: "2w", "1d12h", "3m20s".
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + FormatDuration(-max(d, -math.MaxInt64))
	}
	if d < time.Second {
		return d.String()
	}
	if week := durationUnits[0].of; d%week == 0 {
		return strconv.FormatInt(int64(d/week), 10) + "w"
	}
	var b strings.Builder
	d = d.Round(time.Second)
	for _, u := range durationUnits[1:] {
		if n := d / u.of; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.suffix)
			d -= n * u.of
		}
	}
	return b.String()
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}
