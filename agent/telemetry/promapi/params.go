package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// The widest range that can be asked for.
var (
	minTime = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

func timeParam(r *http.Request, name string, fallback time.Time) (time.Time, error) {
	s := r.Form.Get(name)
	if s == "" {
		return fallback, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return t, badData(name, err)
	}
	return t, nil
}

func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(f) || f < float64(minTime.Unix()) || f > float64(maxTime.Unix()) {
			return time.Time{}, fmt.Errorf("%q is no time that exists", s)
		}
		whole, frac := math.Modf(f)
		return time.Unix(int64(whole), int64(math.Round(frac*1000))*int64(time.Millisecond)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	switch s {
	case minTime.Format(time.RFC3339Nano):
		return minTime, nil
	case maxTime.Format(time.RFC3339Nano):
		return maxTime, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
}

func durationParam(r *http.Request, name string) (time.Duration, error) {
	s := r.Form.Get(name)
	d, err := parseDuration(s)
	if err != nil {
		return 0, badData(name, err)
	}
	return d, nil
}

func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		f *= float64(time.Second)
		if math.IsNaN(f) || f >= math.MaxInt64 || f <= math.MinInt64 {
			return 0, fmt.Errorf("%q is out of range", s)
		}
		return time.Duration(f), nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", s)
}

// limitParam is how many results are wanted; 0 is all that are allowed.
func limitParam(r *http.Request, name string) (int, error) {
	s := r.Form.Get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("must not be negative")
	}
	if err != nil {
		return 0, badData(name, err)
	}
	return n, nil
}

// selectors parses match[]; none is no error.
func (a *api) selectors(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := a.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, badData("match[]", err)
	}
	if slices.ContainsFunc(sets, everything) {
		return nil, badData("match[]", errors.New("match[] must contain at least one non-empty matcher"))
	}
	return sets, nil
}

func everything(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches("") {
			return false
		}
	}
	return true
}

// between reads start and end.
func between(r *http.Request) (mint, maxt int64, err error) {
	start, err := timeParam(r, "start", minTime)
	if err != nil {
		return 0, 0, err
	}
	end, err := timeParam(r, "end", maxTime)
	if err != nil {
		return 0, 0, err
	}
	return start.UnixMilli(), end.UnixMilli(), nil
}
