package spread

import (
	"fmt"
	"math"

	"github.com/engramd/engramd/node/record"
)

// The limits of one spread.
const (
	MaxHops   = 10
	MaxFanOut = 1024
	MaxLimit  = 10_000
	MaxSeeds  = 10_000
)

// Options of a spread.
type Options struct {
	Hops      int     // how far; 1 to MaxHops
	FanOut    int     // how many edges of a memory are followed; 1 to MaxFanOut
	Threshold float64 // from which activation a memory sends; 0 to 1
	Decay     float64 // what is left of activation after a hop; above 0, to 1
	Limit     int     // how many hits are returned; 1 to MaxLimit

	// WithoutSeeds leaves the seeds out of the hits.
	WithoutSeeds bool
	// Keep says whether a memory may be a hit; nil: all may. It is asked in the order of the hits, and no more once
	// there are enough; it watches the time itself. Memories that are no hits pass activation on like all others.
	Keep func(record.Ord) bool
}

// Defaults returns the options of someone who did not say otherwise.
func Defaults() Options {
	return Options{Hops: 3, FanOut: 16, Threshold: 0.01, Decay: 0.7, Limit: 20}
}

// Validate returns what is wrong first, as a [record.InvalidError].
func (o Options) Validate() error {
	for _, n := range []struct {
		field      string
		value, max int
	}{
		{"hops", o.Hops, MaxHops}, {"fan_out", o.FanOut, MaxFanOut}, {"limit", o.Limit, MaxLimit},
	} {
		if n.value < 1 || n.value > n.max {
			return invalid(n.field, "is %d; 1 to %d", n.value, n.max)
		}
	}
	if math.IsNaN(o.Threshold) || o.Threshold < 0 || o.Threshold > 1 {
		return invalid("threshold", "%v is outside [0, 1]", o.Threshold)
	}
	if math.IsNaN(o.Decay) || o.Decay <= 0 || o.Decay > 1 {
		return invalid("decay", "%v is outside (0, 1]", o.Decay)
	}
	return nil
}

// A Seed is where a spread begins.
type Seed struct {
	Ord        record.Ord
	Activation float64 // above 0, to 1
}

// checkSeeds tells whether a spread may begin at seeds.
func checkSeeds(seeds []Seed) error {
	if len(seeds) == 0 || len(seeds) > MaxSeeds {
		return invalid("seeds", "are %d; 1 to %d", len(seeds), MaxSeeds)
	}
	for i, s := range seeds {
		if s.Ord == 0 || s.Ord > record.MaxOrd {
			return invalid("seeds", "number %d names no memory", i+1)
		}
		if math.IsNaN(s.Activation) || s.Activation <= 0 || s.Activation > 1 {
			return invalid("seeds", "number %d has activation %v, which is outside (0, 1]", i+1, s.Activation)
		}
	}
	return nil
}

func invalid(field, format string, args ...any) error {
	return &record.InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
