package policy

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Condition writes the row's condition as a person would: "cpu 70..85 and p99 < 10".
func (r Row) Condition() string {
	if len(r.When) == 0 {
		return "always"
	}
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(r.When)) {
		if i > 0 {
			b.WriteString(" and ")
		}
		b.WriteString(name)
		b.WriteByte(' ')
		b.WriteString(r.When[name].String())
	}
	return b.String()
}

// verdict is the row's verdict beside diagnose; Diagnose where it stands alone.
func (r Row) verdict() Verdict {
	for _, v := range r.Do {
		if v != Diagnose {
			return v
		}
	}
	if len(r.Do) > 0 {
		return Diagnose
	}
	return None
}

type truth uint8

const (
	isFalse truth = iota
	isUndecided
	isTrue
)

// truth is false as soon as one signal says so, whatever is unknown.
func (r Row) truth(readings map[string]Reading) truth {
	result := isTrue
	for name, interval := range r.When {
		switch reading, ok := readings[name]; {
		case !ok || !reading.Known:
			result = isUndecided
		case !interval.Contains(reading.Value):
			return isFalse
		}
	}
	return result
}

// lookBack is how far back the evidence of the row reaches from now: over the longest range, and
// where a signal is an instant one, to its sample.
func (r Row) lookBack(now time.Time, readings map[string]Reading, longest time.Duration) time.Time {
	from := now.Add(-longest)
	for name := range r.When {
		if at := readings[name].At; !at.IsZero() && at.Before(from) {
			from = at
		}
	}
	return from
}

// grows reports whether the row asks for more of something that carries load, and for less of
// nothing. Thresholds and operations of a node beside it do not count.
func (r Row) grows(sizes Size) bool {
	switch r.verdict() {
	case PlanOnly, Scale, Emergency:
	default:
		return false
	}
	grows := false
	for _, c := range r.Changes {
		if !c.Resource.carriesLoad() {
			continue
		}
		if c.direction(sizes) != Growth {
			return false
		}
		grows = true
	}
	return grows
}

// outgrows reports whether r asks for at least what o asks for, and for more of something or more
// urgently.
func (r Row) outgrows(o Row) bool {
	urgency := r.verdict().rank() - o.verdict().rank()
	if urgency < 0 {
		return false
	}
	more := urgency > 0
	for _, small := range o.Changes {
		if !small.Resource.carriesLoad() {
			continue
		}
		i := slices.IndexFunc(r.Changes, func(c Change) bool { return c.Resource == small.Resource })
		if i < 0 {
			return false
		}
		order, comparable := r.Changes[i].compare(small)
		if urgency == 0 && (!comparable || order < 0) {
			return false
		}
		more = more || order > 0
	}
	return more
}

// rank orders verdicts by urgency.
func (v Verdict) rank() int {
	return slices.Index([]Verdict{Diagnose, None, HoldSize, PlanOnly, Scale, Emergency}, v)
}

// carriesLoad tells what a service needs more of under load from what only arranges it.
func (r Resource) carriesLoad() bool {
	switch r {
	case CPU, Memory, Storage, Replicas, ThreadsSpreading, ThreadsConsolidation:
		return true
	}
	return false
}

// compare orders two growths of one resource by what they ask for; false where only the size they
// start from would tell.
func (c Change) compare(o Change) (int, bool) {
	toMax := func(c Change) int {
		if c.To != nil && c.To.Max {
			return 1
		}
		return 0
	}
	switch {
	case toMax(c)+toMax(o) > 0:
		return toMax(c) - toMax(o), true
	case c.To != nil && o.To != nil:
		return sign(float64(c.To.Amount - o.To.Amount)), true
	case c.By != nil && o.By != nil && c.By.Factor != 0 && o.By.Factor != 0:
		return sign(c.By.Factor - o.By.Factor), true
	case c.By != nil && o.By != nil && c.By.Add != 0 && o.By.Add != 0:
		return sign(float64(c.By.Add - o.By.Add)), true
	}
	return 0, false
}

func sign(f float64) int {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}
