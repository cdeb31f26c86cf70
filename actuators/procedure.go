package actuators

import (
	"time"

	"github.com/engramd/engramd/policy"
)

// A Procedure is how a target wants to be changed and watched, as configured when the action was
// planned: an action in flight keeps it over a reload and a restart.
type Procedure struct {
	Drain       *Drain        `json:"drain,omitempty"`
	Health      *Request      `json:"health,omitempty"`
	StopTimeout time.Duration `json:"stop_timeout,omitempty"`
	Backup      *Backup       `json:"backup,omitempty"`
	Smoke       []Smoke       `json:"smoke,omitempty"`
	Require     []Require     `json:"require,omitempty"`
	P99         string        `json:"p99,omitempty"`        // PromQL, seconds or ms: only ratios are used
	ErrorRate   string        `json:"error_rate,omitempty"` // PromQL
	Validation  Validation    `json:"validation"`
	// RetryAfter is how long a change without effect is not tried again in the same circumstances.
	RetryAfter time.Duration `json:"retry_after"`
	// Asked says that a person wants the change as it is: guards watch it, nobody judges its effect.
	Asked bool `json:"asked,omitempty"`
	// Trigger holds the signals of the row that led here and the interval each had to be in, for
	// resources whose effect is that the triggering signal left its row.
	Trigger []Trigger `json:"trigger,omitempty"`
}

// A Trigger is one signal of the row that led to an action.
type Trigger struct {
	Expr string          `json:"expr"`
	In   policy.Interval `json:"in"`
}

// A Drain stops new writes before a restart and lets them in again after it.
type Drain struct {
	Enable   Request       `json:"enable"`
	Disable  Request       `json:"disable"`
	Status   *Request      `json:"status,omitempty"`
	InFlight string        `json:"in_flight,omitempty"` // PromQL, zero when nothing is left
	Settle   time.Duration `json:"settle"`
}

// A Request is one HTTP request. Headers come from a file, so that secrets stay out of the journal.
type Request struct {
	Method      string        `json:"method"`
	URL         string        `json:"url"`
	HeadersFile string        `json:"headers_file,omitempty"`
	Timeout     time.Duration `json:"timeout,omitempty"`
}

// A Smoke is a test after a restart: an HTTP request or a command.
type Smoke struct {
	Request *Request `json:"request,omitempty"`
	Command []string `json:"command,omitempty"`
}

// A Require is one line of the checklist that must hold through the whole validation.
type Require struct {
	Expr string  `json:"expr"`
	Op   string  `json:"op"` // < <= > >= ==
	Than float64 `json:"than"`
}

// Backup is the evidence that a backup exists, asked for before a restart. Exactly one of the
// sources is set.
type Backup struct {
	MaxAge  time.Duration `json:"max_age"`
	AgeExpr string        `json:"age,omitempty"`     // PromQL, seconds
	File    string        `json:"file,omitempty"`    // its modification time
	Command []string      `json:"command,omitempty"` // exit 0: there is one
}

// Validation is how a change is watched.
type Validation struct {
	Settle   time.Duration `json:"settle"`
	Duration time.Duration `json:"duration"`
	Every    time.Duration `json:"every"`
	Checks   int           `json:"checks"`
	// NoEffect is rollback or keep.
	NoEffect string `json:"no_effect"`
	// Tolerance is how much worse a decrease may make P99, errors and throttling (0.1 is 10%).
	Tolerance float64 `json:"tolerance"`
}
