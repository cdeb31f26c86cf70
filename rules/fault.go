package rules

import (
	"fmt"
	"strings"
)

// A Fault is one thing that is wrong, or that [Lint] finds doubtful, in a rule file.
type Fault struct {
	File         string
	Line, Column int    // from 1; 0 if not known
	Group        string // "" if the fault is of no group
	Rule         int    // from 1 in the group; 0 if the fault is of no rule
	Name         string // the alert's or record's
	Text         string // what is wrong
	Hint         string // the remedy
}

// Error writes file:line:column: group "g", rule 1 (Name): text: hint.
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
		if f.Column > 0 {
			fmt.Fprintf(&b, ":%d", f.Column)
		}
	}
	b.WriteString(": ")
	b.WriteString(f.Message())
	return b.String()
}

// Message is Error without the place.
func (f Fault) Message() string {
	var b strings.Builder
	if f.Group != "" {
		fmt.Fprintf(&b, "group %q", f.Group)
		if f.Rule > 0 {
			fmt.Fprintf(&b, ", rule %d", f.Rule)
		}
		if f.Name != "" {
			fmt.Fprintf(&b, " (%s)", f.Name)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Text)
	if f.Hint != "" {
		b.WriteString(": " + f.Hint)
	}
	return b.String()
}

// Faults are everything that is wrong with a file, in its order.
type Faults []Fault

// Error writes one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}
