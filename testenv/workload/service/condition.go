package service

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Condition says when a planned fault shows. It lets one image be good in one container and bad in another, although
// both are made from the same image: by how often it was started, or by the size it was given.
//
// The zero value never holds.
type Condition struct {
	kind  string
	value float64
}

// facts are what a Condition is judged by.
type facts struct {
	age    time.Duration // since this process started
	starts int           // of any workload on the same data directory, this one included
	cores  float64       // effective CPU limit
	memory int64         // effective memory limit in bytes
}

// ParseCondition reads never, always, after=2s (since the start), start=2 (only in the second start on this data
// directory), cpus>1 or memory>128Mi (by the container's own limit, as it is now).
func ParseCondition(text string) (Condition, error) {
	switch text {
	case "", "never":
		return Condition{}, nil
	case "always":
		return Condition{kind: text}, nil
	}
	at := strings.IndexAny(text, "=>")
	if at < 0 {
		return Condition{}, fmt.Errorf("condition %q: want never, always, after=2s, start=2, cpus>1 or memory>128Mi", text)
	}
	c, operand := Condition{kind: text[:at+1]}, text[at+1:]
	var err error
	switch c.kind {
	case "after=":
		var d time.Duration
		d, err = time.ParseDuration(operand)
		c.value = d.Seconds()
	case "start=":
		var n int
		n, err = strconv.Atoi(operand)
		c.value = float64(n)
	case "cpus>":
		c.value, err = strconv.ParseFloat(operand, 64)
	case "memory>":
		var n int64
		n, err = ParseBytes(operand)
		c.value = float64(n)
	default:
		err = fmt.Errorf("unknown kind %q", c.kind)
	}
	if err != nil {
		return Condition{}, fmt.Errorf("condition %q: %w", text, err)
	}
	return c, nil
}

func (c Condition) holds(f facts) bool {
	switch c.kind {
	case "always":
		return true
	case "after=":
		return f.age.Seconds() >= c.value
	case "start=":
		return float64(f.starts) == c.value
	case "cpus>":
		return f.cores > c.value
	case "memory>":
		return float64(f.memory) > c.value
	}
	return false
}
