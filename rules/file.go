package rules

import (
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// A File is one rule file without faults.
type File struct {
	// Name is the path, or preset:NAME.
	Name   string
	Groups []rulefmt.RuleGroup
}

// An AlertRule is one alerting rule of a file.
type AlertRule struct {
	File, Group, Name, Expr string
	For                     time.Duration
}

// Alerts lists the file's alerting rules.
func (f *File) Alerts() []AlertRule { return nil }

// Records reports whether the file has a recording rule, and where the first one is.
func (f *File) Records() (where string, ok bool) { return "", false }

// Load checks one rule file; name is for messages. Its error lists all faults, each with file, line,
// group, rule and remedy.
func Load(name string, data []byte) (*File, error) { return nil, errors.ErrUnsupported }

// Preset loads one of the rule files that come with engramd: "engram-scaling".
func Preset(name string) (*File, error) { return nil, errors.ErrUnsupported }

// Presets lists the names of the rule files that come with engramd.
func Presets() []string { return nil }

// Lint reports what is no fault and yet probably wrong.
func Lint(f *File) []Finding { return nil }

// A Finding is one remark of [Lint].
type Finding struct {
	File, Group, Rule string
	Line              int // 0 if not known
	Text              string
}

// LongestRange returns how far back expr looks: its ranges, subqueries and offsets, nested ones added
// up. An expression without any looks back zero.
func LongestRange(expr string) (time.Duration, error) { return 0, errors.ErrUnsupported }
