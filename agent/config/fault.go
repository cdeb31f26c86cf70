package config

import "strings"

// A Fault is one thing that is wrong in a file, and what to do about it.
type Fault struct {
	Position
	Text   string // what is wrong
	Source string // the offending line as it stands in the file, "" if there is none
	Hint   string // the remedy, "" if the text says it
}

// Error writes the fault in one to four lines: where and what, the line, a mark under the column, and
// the hint.
func (f Fault) Error() string { return f.Position.String() + ": " + f.Text }

// Faults are everything that is wrong, in the order of the file.
type Faults []Fault

// Error writes all faults, one after another.
func (f Faults) Error() string {
	var b strings.Builder
	for i, one := range f {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.Error())
	}
	return b.String()
}
