package capacity

import (
	"fmt"
	"math"
	"time"
)

// A Phase is how far a deployment has come, by the guide's "Cost Optimization Through Right-Sizing".
type Phase string

// The guide's phases.
const (
	Initial  Phase = "initial"      // day 0 to 7: twice what the planner says
	Optimise Phase = "optimise"     // day 7 to 30: 1.3 times the peak
	Steady   Phase = "steady_state" // from day 30: by the target ranges
)

// PhaseAt is the phase of a deployment of some age.
func PhaseAt(age time.Duration) Phase {
	switch {
	case age < 7*24*time.Hour:
		return Initial
	case age < 30*24*time.Hour:
		return Optimise
	}
	return Steady
}

// A Target is how busy a resource should be in the steady state, in per cent.
type Target struct {
	MeanFrom float64 `json:"mean_from"`
	MeanTo   float64 `json:"mean_to"`
	Peak     float64 `json:"peak"`
}

// Steady-state targets, the guide's.
func CPUTarget() Target     { return Target{60, 70, 85} }
func MemoryTarget() Target  { return Target{65, 75, 85} }
func StorageTarget() Target { return Target{50, 65, 75} }

// The guide's factors.
const (
	InitialFactor  = 2.0
	OptimiseFactor = 1.3
)

// Sized is what a phase gives to a resource, in the unit of what is used. planned is what the planner says, mean and peak what was used. target is
// that of the resource. The result is not rounded: the guide rounds 1.3 × 45 % × 8 to 4, which is less than the 4.68 that it means.
func (p Phase) Sized(planned, mean, peak float64, target Target) (float64, error) {
	var c checks
	c.amount("planned", planned)
	c.amount("mean", mean)
	c.amount("peak", peak)
	if mean > peak {
		c.fault("mean: %v is above the peak of %v", mean, peak)
	}
	c.positive("peak target", target.Peak)
	c.positive("mean target", target.MeanTo)
	if err := c.err(); err != nil {
		return 0, err
	}
	var size float64
	switch p {
	case Initial:
		size = InitialFactor * planned
	case Optimise:
		size = OptimiseFactor * peak
	case Steady:
		size = max(mean/target.MeanTo, peak/target.Peak) * 100
	default:
		return 0, fmt.Errorf("%w: phase %q is none of initial, optimise, steady_state", ErrImpossible, p)
	}
	if math.IsInf(size, 0) {
		return 0, fmt.Errorf("%w: the size is beyond what a number can be", ErrImpossible)
	}
	return size, nil
}
