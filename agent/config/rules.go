package config

import (
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// Rules are the Prometheus rules to evaluate and what follows from their alerts.
type Rules struct {
	// Files are loaded and free of faults.
	Files []*rules.File
	// Interval is how often a group without its own is evaluated.
	Interval time.Duration
	// OnAlert binds alerts to changes.
	OnAlert []Binding
}

// A Binding says what one alert does. It answers only to samples of the alert whose label target is
// the target's name, or that have no such label.
type Binding struct {
	Alert  string
	Target string
	// Do is scale, emergency or plan, with Diagnose beside it if wanted.
	Do      []policy.Verdict
	Changes []policy.Change
	// Rollback undoes what is being validated or was committed less than 30 minutes ago; it has no
	// changes.
	Rollback   bool
	Mode       policy.Mode
	Within     time.Duration
	AtDeadline policy.AtDeadline
	Why        string
	// LongestRange is the longest look back of the alert's expression.
	LongestRange time.Duration
}
