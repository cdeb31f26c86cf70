package api

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A query is the parameters of a URL. A parameter that is there and empty is like one that is not there.
type query url.Values

// parseQuery reads parameters and refuses those that nothing reads: a typing error must not widen what is asked for.
func parseQuery(raw string, known []param) (query, error) {
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, malformed("the query of the URL: %v", err)
	}
	for name, v := range values {
		i := slices.IndexFunc(known, func(p param) bool { return p.name == name })
		switch {
		case i < 0:
			return nil, invalid(name, "is no parameter of this; there are %s", names(known))
		case len(v) > 1 && !known[i].many:
			return nil, invalid(name, "is given %d times", len(v))
		}
	}
	return query(values), nil
}

func names(params []param) string {
	if len(params) == 0 {
		return "none"
	}
	out := make([]string, len(params))
	for i, p := range params {
		out[i] = p.name
	}
	return strings.Join(out, ", ")
}

func (q query) get(name string) string { return url.Values(q).Get(name) }

// list reads a parameter that is given several times.
func (q query) list(name string) []string {
	return slices.DeleteFunc(slices.Clone(q[name]), func(v string) bool { return v == "" })
}

func (q query) bool(name string, otherwise bool) (bool, error) {
	text := q.get(name)
	if text == "" {
		return otherwise, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, invalid(name, "%.20q is neither true nor false", text)
	}
	return b, nil
}

func (q query) int(name string, otherwise, least, most int) (int, error) {
	text := q.get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, invalid(name, "%.20q is not in %d to %d", text, least, most)
	}
	return n, nil
}

func (q query) float(name string, otherwise float64) (float64, error) {
	text := q.get(name)
	if text == "" {
		return otherwise, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, invalid(name, "%.20q is no number", text)
	}
	return x, nil
}

func (q query) time(name string) (time.Time, error) {
	text := q.get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, invalid(name, "%.40q is no time as 2006-01-02T15:04:05Z", text)
	}
	return t, nil
}

// duration reads a duration above zero.
func (q query) duration(name string, otherwise time.Duration) (time.Duration, error) {
	text := q.get(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, invalid(name, "%.20q is no duration as 500ms or 30s", text)
	}
	return d, nil
}
