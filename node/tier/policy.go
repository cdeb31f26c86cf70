package tier

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/engramd/engramd/node/pressure"
)

// A Policy is the guide's tier_policy.
type Policy struct {
	// Enabled says that sweeps run at their intervals. Sweeps that are asked for and pressure do their work anyway.
	Enabled bool
	Hot     Bounds
	Warm    Bounds
	// Pressure says where eviction for want of memory begins.
	Pressure pressure.Thresholds
}

// Bounds are what a tier may hold.
type Bounds struct {
	// MaxRatio is the share of all memories that may be in the tier, 0 to 1.
	MaxRatio float64
	// Threshold is the activation below which a memory is evicted, 0 to 1. A higher one evicts more.
	Threshold float64
	// Every is the time between two sweeps.
	Every time.Duration
}

// DefaultPolicy is the guide's.
func DefaultPolicy() Policy {
	return Policy{
		Enabled:  true,
		Hot:      Bounds{MaxRatio: 0.10, Threshold: 0.3, Every: time.Minute},
		Warm:     Bounds{MaxRatio: 0.30, Threshold: 0.1, Every: 5 * time.Minute},
		Pressure: pressure.DefaultThresholds,
	}
}

// ErrPolicy is wrapped by every error about a policy that makes no sense.
var ErrPolicy = errors.New("tier policy")

// Validate tells all that is wrong with p.
func (p Policy) Validate() error {
	errs := []error{p.Hot.validate("hot_tier"), p.Warm.validate("warm_tier")}
	if p.Hot.Threshold < p.Warm.Threshold {
		errs = append(errs, fmt.Errorf("%w: the threshold of warm_tier, %v, is above that of hot_tier, %v", ErrPolicy,
			p.Warm.Threshold, p.Hot.Threshold))
	}
	if !p.Pressure.Valid() {
		errs = append(errs, fmt.Errorf("%w: memory_pressure: high_threshold %v and critical_threshold %v must ascend, above %v and at most 1",
			ErrPolicy, p.Pressure.High, p.Pressure.Critical, pressure.Slack))
	}
	return errors.Join(errs...)
}

func (b Bounds) validate(name string) error {
	var errs []error
	if !share(b.MaxRatio) {
		errs = append(errs, fmt.Errorf("%w: %s: max_ratio %v is outside [0, 1]", ErrPolicy, name, b.MaxRatio))
	}
	if !share(b.Threshold) {
		errs = append(errs, fmt.Errorf("%w: %s: activation_threshold %v is outside [0, 1]", ErrPolicy, name, b.Threshold))
	}
	if b.Every < time.Second {
		errs = append(errs, fmt.Errorf("%w: %s: eviction_interval %v is below 1s", ErrPolicy, name, b.Every))
	}
	return errors.Join(errs...)
}

func share(x float64) bool { return !math.IsNaN(x) && x >= 0 && x <= 1 }
