package fake

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/engramd/engramd/policy"
)

// A Querier answers expressions: p99(service), errors(service) and in_flight(service) from the
// model, and whatever else was defined. What it does not know is unknown.
type Querier struct {
	d     *Driver
	mu    sync.Mutex
	exprs map[string]func(now time.Time) (float64, bool)
}

// Querier returns a querier over the platform's services.
func (d *Driver) Querier() *Querier {
	return &Querier{d: d, exprs: map[string]func(time.Time) (float64, bool){}}
}

// Define gives an expression its value from moment to moment; false is unknown.
func (q *Querier) Define(expr string, value func(now time.Time) (float64, bool)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.exprs[expr] = value
}

// Read implements [actuators.Querier].
func (q *Querier) Read(_ context.Context, expr string, at time.Time) policy.Reading {
	value, ok := q.value(expr, at)
	if !ok {
		return policy.Reading{Expr: expr, Reason: "no sample"}
	}
	return policy.Reading{Expr: expr, Value: value, Known: true, At: at}
}

// Mean implements [actuators.Querier].
func (q *Querier) Mean(_ context.Context, expr string, from, to time.Time) policy.Reading {
	sum, n := 0.0, 0
	for at := from.Add(time.Second); !at.After(to); at = at.Add(time.Second) {
		if value, ok := q.value(expr, at); ok {
			sum, n = sum+value, n+1
		}
	}
	if n == 0 {
		return policy.Reading{Expr: expr, Reason: "no sample"}
	}
	return policy.Reading{Expr: expr, Value: sum / float64(n), Known: true, At: to}
}

var modelled = regexp.MustCompile(`^(p99|errors|in_flight)\((\w+)\)$`)

func (q *Querier) value(expr string, at time.Time) (float64, bool) {
	q.mu.Lock()
	defined := q.exprs[expr]
	q.mu.Unlock()
	if defined != nil {
		return defined(at)
	}
	m := modelled.FindStringSubmatch(expr)
	if m == nil {
		return 0, false
	}
	return q.d.signal(m[1], m[2], at)
}

// signal is what a service would export of itself.
func (d *Driver) signal(what, name string, at time.Time) (float64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sv := d.services[name]
	if sv == nil || !sv.at(at).up {
		return 0, false
	}
	var load Load
	if sv.Load != nil {
		load = sv.Load(at)
	}
	switch what {
	case "p99":
		return sv.tick(at).p99, true
	case "errors":
		return load.Errors, true
	case "in_flight":
		if sv.held.onAt(at) {
			return max(0, load.InFlight-at.Sub(sv.held.since).Seconds()), true
		}
		return load.InFlight, true
	}
	panic(fmt.Sprintf("no signal %q", what))
}
