package capacity_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/engramd/engramd/policy/capacity"
)

func TestPhases(t *testing.T) {
	const day = 24 * time.Hour
	for age, want := range map[time.Duration]capacity.Phase{
		-day: capacity.Initial, 0: capacity.Initial, 7*day - 1: capacity.Initial, 7 * day: capacity.Optimise, 30*day - 1: capacity.Optimise, 30 * day: capacity.Steady,
	} {
		if got := capacity.PhaseAt(age); got != want {
			t.Errorf("at %s: got %s, want %s", age, got, want)
		}
	}
}

// The guide's examples: 2 × 4 cores; 1.3 × 45 % × 8 = 4.68, 1.3 × 60 % × 16 GB = 12.48. Steady: a mean of 2 cores at 70 % needs 2.857,
// a peak of 3.4 at 85 % needs 4.
func TestWhatAPhaseGives(t *testing.T) {
	for _, c := range []struct {
		phase               capacity.Phase
		planned, mean, peak float64
		target              capacity.Target
		want                float64
	}{
		{capacity.Initial, 4, 0, 0, capacity.CPUTarget(), 8},
		{capacity.Optimise, 4, 2, 0.45 * 8, capacity.CPUTarget(), 4.68},
		{capacity.Optimise, 8e9, 5e9, 0.6 * 16e9, capacity.MemoryTarget(), 12.48e9},
		{capacity.Steady, 4, 2, 3.4, capacity.CPUTarget(), 4},
		{capacity.Steady, 4, 2, 2.1, capacity.CPUTarget(), 2 / 0.7},
		{capacity.Steady, 0, 65, 65, capacity.StorageTarget(), 100},
	} {
		got, err := c.phase.Sized(c.planned, c.mean, c.peak, c.target)
		if err != nil || math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%+v: got %v, %v", c, got, err)
		}
	}
	for name, f := range map[string]func() (float64, error){
		"mean above peak": func() (float64, error) { return capacity.Steady.Sized(1, 2, 1, capacity.CPUTarget()) },
		"negative":        func() (float64, error) { return capacity.Initial.Sized(-1, 0, 0, capacity.CPUTarget()) },
		"no target":       func() (float64, error) { return capacity.Steady.Sized(1, 1, 1, capacity.Target{}) },
		"overflow":        func() (float64, error) { return capacity.Initial.Sized(math.MaxFloat64, 0, 0, capacity.CPUTarget()) },
		"unknown":         func() (float64, error) { return capacity.Phase("late").Sized(1, 1, 1, capacity.CPUTarget()) },
	} {
		if _, err := f(); !errors.Is(err, capacity.ErrImpossible) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
