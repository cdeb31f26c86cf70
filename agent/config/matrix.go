package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// A matrixSection turns signals into verdicts: the first row that is true wins.
type matrixSection struct {
	// Signals names PromQL expressions. $target and $container stand for the target's name and its
	// container.
	Signals map[string]string `yaml:"signals"`
	// Rows are tried in order.
	Rows []rowSection `yaml:"rows"`
	// Otherwise answers where no row does. Without it the rows must cover every value.
	Otherwise *rowSection `yaml:"otherwise,omitempty"`
}

// A rowSection is one line of a matrix.
type rowSection struct {
	// When holds, for each signal that the row reads, a half-open interval: "70..85", "< 70", ">= 85".
	When map[string]string `yaml:"when,omitempty"`
	// For is how long the row must have been true without a break.
	For time.Duration `yaml:"for,omitempty"`
	// Do is what to do: none, hold (nothing may shrink; say why), plan (propose only), scale, emergency,
	// and diagnose beside any of them.
	Do oneOrMore `yaml:"do"`
	// Why is shown to people.
	Why string `yaml:"why,omitempty"`
	// Change says what changes of which resources.
	Change changesSection `yaml:"change,omitempty"`
	// Within is the deadline of a change that has to wait.
	Within time.Duration `yaml:"within,omitempty"`
	// AtDeadline says what becomes of a restart for which no maintenance window came in time.
	AtDeadline policy.AtDeadline `yaml:"at_deadline,omitempty" oneof:"ask run"`
}

// verdicts are what a row may say.
var verdicts = []string{
	string(policy.None), string(policy.HoldSize), string(policy.PlanOnly), string(policy.Scale), string(policy.Emergency), string(policy.Diagnose),
}

// A draft is a matrix on its way to a policy, with the place that its faults are told at.
type draft struct {
	*decoder
	path   string
	policy string
	preset string // "" for a matrix of one's own
}

// matrix resolves a matrix, whose expressions are still to be expanded for a target.
func (f draft) matrix(s *matrixSection) *policy.Matrix {
	before := len(f.faults)
	m := &policy.Matrix{Signals: maps.Clone(s.Signals)}
	for i := range s.Rows {
		m.Rows = append(m.Rows, f.row(&s.Rows[i], fmt.Sprintf("%s.rows[%d]", f.path, i)))
	}
	if s.Otherwise != nil {
		m.Otherwise = new(f.row(s.Otherwise, f.path+".otherwise"))
	}
	if len(f.faults) > before { // what is broken would only be found wanting once more
		return nil
	}
	return m
}

func (f draft) row(s *rowSection, path string) policy.Row {
	row := policy.Row{
		When: map[string]policy.Interval{}, For: s.For, Why: s.Why, Within: s.Within, AtDeadline: s.AtDeadline,
		Do: f.verdicts(s.Do, path+".do"), Changes: f.changes(s.Change),
	}
	for _, signal := range slices.Sorted(maps.Keys(s.When)) {
		interval, err := policy.ParseInterval(s.When[signal])
		if err != nil {
			f.faultAt(path+".when."+signal, fmt.Sprintf("%s.when.%s: %s", path, signal, strings.TrimPrefix(err.Error(), "interval ")), "")
		}
		row.When[signal] = interval
	}
	return row
}

func (d *decoder) verdicts(list oneOrMore, path string) []policy.Verdict {
	var all []policy.Verdict
	for i, text := range list {
		if !slices.Contains(verdicts, text) {
			at := path
			if indexed := fmt.Sprintf("%s[%d]", path, i); d.written(indexed) {
				at = indexed
			}
			d.faultAt(at, fmt.Sprintf("%s: %.40q is no verdict", path, text), oneOf(text, verdicts))
		}
		all = append(all, policy.Verdict(text))
	}
	return all
}

// lint tells what policy finds wrong with a matrix: of one's own, as faults in their places; of a
// preset, as warnings.
func (f draft) lint(m *policy.Matrix, warn func(text string)) {
	for _, found := range policy.Lint(*m) {
		text := found.Text
		if found.Row >= 0 && f.preset != "" {
			text = fmt.Sprintf("row %d: %s", found.Row, text)
		}
		switch {
		case f.preset != "":
			warn(text)
		case found.Severity == policy.Critical:
			f.fault(f.where(found), fmt.Sprintf("policy %s: %s", f.policy, text), found.Hint)
		default:
			f.warn(f.where(found), fmt.Sprintf("policy %s: %s", f.policy, text))
		}
	}
}

// where is the place of what policy found.
func (f draft) where(found policy.Fault) Position {
	path := f.path
	switch {
	case found.Row > 0:
		path = fmt.Sprintf("%s.rows[%d]", f.path, found.Row-1)
	case found.Row == 0:
		path = f.path + ".otherwise"
	case found.Where == "":
		return f.atKey(path)
	}
	if found.Where != "" {
		path += "." + found.Where
	}
	return f.at(path)
}

// longestRange is the longest look back of any signal.
func longestRange(signals map[string]string) time.Duration {
	var longest time.Duration
	for _, expr := range signals {
		if d, err := rules.LongestRange(expr); err == nil {
			longest = max(longest, d)
		}
	}
	return longest
}
