package actuators

import (
	"context"

	"github.com/engramd/engramd/policy"
)

// A Gauger is a Driver that knows numbers of a target which no control group tells, such as how full its
// volume is. They become metrics of the target.
type Gauger interface {
	// Gauges measures t now. What could not be measured is left out.
	Gauges(ctx context.Context, t policy.Target) ([]Gauge, error)
}

// A Gauge is one number of a target.
type Gauge struct {
	Name  string // follows engramd_target_; a counter's ends in _total
	Value float64
}

// A Diagnoser is a Driver that can tell from a target's state what is wrong with it on its platform.
type Diagnoser interface {
	// Diagnose says what is wrong, and in Remedy what a person would do about it; nothing if all is well.
	Diagnose(t policy.Target, st State) []Finding
}
