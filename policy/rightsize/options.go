package rightsize

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Options are a policy for one resource of one target. Amounts are in the unit of the samples (cores
// or bytes).
type Options struct {
	// Memory says that the resource is memory: what was once used may be needed again at once, and
	// too little of it kills.
	Memory bool
	// Min and Max are the limits of the target. No size is outside them.
	Min, Max float64
	// Margin is what is kept above the recent maximum, as a fraction.
	Margin float64
	// ActionCost is the price of one change: that of holding the mean demand idle for this long.
	ActionCost time.Duration
	// Busy is how many actions in 24 hours are not too many. Beyond it the price rises.
	Busy float64
}

// Prices of an action. A live resize is nearly free; a restart drains and interrupts.
const (
	LiveCost    = 30 * time.Minute
	RestartCost = 24 * time.Hour
)

// CPU returns the policy for cores that are resized live.
func CPU(least, most float64) Options {
	return Options{Min: least, Max: most, Margin: 0.15, ActionCost: LiveCost, Busy: 4}
}

// Memory returns the policy for bytes that are resized live.
func Memory(least, most float64) Options {
	o := CPU(least, most)
	o.Memory = true
	return o
}

// Validate reports everything that is wrong with o.
func (o Options) Validate() error {
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(!(o.Min >= 0) || math.IsInf(o.Min, 0), "min %v: want an amount of 0 or more", o.Min)
	add(!(o.Max > 0) || math.IsInf(o.Max, 0), "max %v: want an amount above 0; the capacity of the host will do", o.Max)
	add(o.Min > o.Max, "min %v is above max %v", o.Min, o.Max)
	add(!(o.Margin >= 0 && o.Margin <= 10), "margin %v: want a fraction of 0 to 10", o.Margin)
	add(o.ActionCost < 0, "action cost %v is negative", o.ActionCost)
	add(!(o.Busy > 0), "busy %v: want more than 0 actions a day", o.Busy)
	return errors.Join(faults...)
}

// The numbers below are the same for every target.
const (
	needless      = 0.85             // of the limit, above which a decrease is not worth an action
	peakMargin    = 0.05             // above the peak that earlier throttles led to
	peakQuantile  = 0.8              // of those peaks
	firstGrowth   = 8                // times the limit, when no throttle was followed yet
	burstLength   = time.Hour        // how long the peak after a throttle is looked for
	trialLength   = 10 * time.Minute // before a growth is judged
	trialUse      = 0.5              // of the limit, below which it was an overshoot
	trialCost     = time.Hour        // an action that costs more is not done only to take a guess back
	thinHistory   = 24 * time.Hour   // below which the margin is wider
	memoryBump    = 1.2              // as the peers do on OOM
	memoryBumpMin = 100 << 20        // bytes
	memoryAbove   = 1.1              // times what is in use
	oomMemory     = 7 * 24 * time.Hour
	believeAfter  = 5 // samples of a clock that was set back
)

// slot is the length of one slot of recent maxima, and window how many of them count.
func (o Options) slot() time.Duration {
	if o.Memory {
		return time.Hour
	}
	return 5 * time.Minute
}

func (o Options) window() int {
	if o.Memory {
		return 24
	}
	return 5
}

func (o Options) clamp(x float64) float64 { return math.Min(o.Max, math.Max(o.Min, x)) }
