package config

import (
	"fmt"
	"reflect"
	"time"

	"github.com/engramd/engramd/actuators"
)

// A validationSection is the section validation, of the agent or of a target. What it does not say is
// nil.
type validationSection struct {
	// Settle is how long a change is given before it is looked at. Nothing decides about a resource on
	// samples from before the end of its last change + settle.
	Settle *time.Duration `yaml:"settle,omitempty"`
	// Duration is how long a change is watched before it is committed.
	Duration *time.Duration `yaml:"duration,omitempty"`
	// Every is the time between two looks.
	Every *time.Duration `yaml:"every,omitempty"`
	// Effect says how it is found out whether a change helped.
	Effect effectSection `yaml:"effect,omitempty"`
}

type effectSection struct {
	// Checks is how many looks after settle judge the effect.
	Checks *int `yaml:"checks,omitempty"`
	// None says what becomes of a change without effect.
	None *string `yaml:"none,omitempty" oneof:"rollback keep"`
	// Tolerance is how much worse a decrease may make P99, errors and throttling.
	Tolerance *percent `yaml:"tolerance,omitempty"`
}

func defaultValidation() validationSection {
	return validationSection{
		Settle: new(30 * time.Second), Duration: new(30 * time.Minute), Every: new(15 * time.Second),
		Effect: effectSection{Checks: new(3), None: new("rollback"), Tolerance: new(percent(0.10))},
	}
}

// validation reads a complete section.
func (v validationSection) validation() actuators.Validation {
	return actuators.Validation{
		Settle: *v.Settle, Duration: *v.Duration, Every: *v.Every,
		Checks: *v.Effect.Checks, NoEffect: *v.Effect.None, Tolerance: float64(*v.Effect.Tolerance),
	}
}

// checkValidation reports what cannot be done in time.
func (r *resolver) checkValidation(path string, v actuators.Validation) {
	switch {
	case v.Every < time.Second:
		r.faultAt(path+".every", fmt.Sprintf("%s.every: %s: want 1s or more", path, formatDuration(v.Every)), "")
	case v.Checks < 1:
		r.faultAt(path+".effect.checks", fmt.Sprintf("%s.effect.checks: %d: want 1 or more", path, v.Checks), "")
	case v.Settle+time.Duration(v.Checks)*v.Every > v.Duration:
		r.faultAt(path+".duration", fmt.Sprintf("%s.duration: %s is too short to judge the effect: settle %s and %d checks, one every %s, take %s",
			path, formatDuration(v.Duration), formatDuration(v.Settle), v.Checks, formatDuration(v.Every),
			formatDuration(v.Settle+time.Duration(v.Checks)*v.Every)), "")
	}
}

// overlay copies into dst what over says: its pointers that are not nil, in nested structs, too.
func overlay[T any](dst T, over *T) T {
	if over != nil {
		overlayValue(reflect.ValueOf(&dst).Elem(), reflect.ValueOf(over).Elem())
	}
	return dst
}

func overlayValue(dst, over reflect.Value) {
	for i := range over.NumField() {
		switch f := over.Field(i); f.Kind() {
		case reflect.Struct:
			overlayValue(dst.Field(i), f)
		case reflect.Pointer:
			if !f.IsNil() {
				dst.Field(i).Set(f)
			}
		}
	}
}
