package replay

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Policy wants a size for the next minute. It carries the state of one run.
type Policy interface {
	Name() string
	// Next sees one minute: the demand that the limit let through, in cores, and whether it cut some
	// off. It returns the limit it wants and the reason.
	Next(at time.Time, used, limit float64, throttled bool) (size float64, why string)
}

// Options are the circumstances of a run, in cores.
type Options struct {
	Host  float64 // the capacity; no limit is above it
	Start float64 // the limit at the beginning
	Min   float64 // no limit is below it
	// Stop is asked at every minute; what it returns ends the run. Nil lets it go on.
	Stop func() error
}

func (o Options) stop() error {
	if o.Stop == nil {
		return nil
	}
	return o.Stop()
}

// maxCores is more than any machine has; what is beyond it would be no number any more once it is summed up.
const maxCores = 1e6

// Validate reports what is wrong with o.
func (o Options) Validate() error {
	switch {
	case !(o.Host > 0 && o.Host <= maxCores):
		return fmt.Errorf("host of %v cores: want more than 0, and no more than a machine can have", o.Host)
	case !(o.Min > 0 && o.Min <= o.Host):
		return fmt.Errorf("min of %v cores: want more than 0 and at most the host's %v", o.Min, o.Host)
	case !(o.Start >= o.Min && o.Start <= o.Host):
		return fmt.Errorf("start at %v cores: want %v to %v", o.Start, o.Min, o.Host)
	}
	return nil
}

// An Action is one change of the limit.
type Action struct {
	Minute   int
	From, To float64
	Why      string
}

// A Result is one policy on one trace.
type Result struct {
	Trace, Policy string
	Limits        []float64 // one a minute
	Actions       []Action
	Measures
}

// Run replays t. It fails on impossible options, an empty trace, a policy that wants no number, and what Stop says.
func Run(t Trace, p Policy, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	if len(t.Demand) == 0 {
		return Result{}, errors.New("trace " + t.Name + ": no demand in it")
	}
	res := Result{Trace: t.Name, Policy: p.Name(), Limits: make([]float64, len(t.Demand))}
	limit := o.Start
	for i, d := range t.Demand {
		if err := o.stop(); err != nil {
			return Result{}, fmt.Errorf("trace %s, minute %d: %w", t.Name, i, err)
		}
		res.Limits[i] = limit
		want, why := p.Next(t.Start.Add(time.Duration(i)*time.Minute), math.Min(d, limit), limit, d > limit)
		if math.IsNaN(want) {
			return Result{}, fmt.Errorf("trace %s, minute %d: policy %s wants NaN cores", t.Name, i, p.Name())
		}
		if want = math.Min(o.Host, math.Max(o.Min, want)); want != limit {
			res.Actions = append(res.Actions, Action{i, limit, want, why})
			limit = want
		}
	}
	res.Measures = measure(t, res.Limits, len(res.Actions))
	return res, nil
}
