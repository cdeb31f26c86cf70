package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Fault is one thing that is wrong in a file, and what to do about it.
type Fault struct {
	Position
	Text string // what is wrong
	// Source is the offending line as it stands in the file, without secrets; "" if there is none.
	Source string
	Hint   string // the remedy, "" if the text says it
}

// Error writes the fault in one to four lines: where and what, the line, a mark under the column, and
// the hint.
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Position.String() + ": " + f.Text)
	if f.Source != "" && f.Line > 0 {
		number := fmt.Sprintf("%5d", f.Line)
		fmt.Fprintf(&b, "\n%s | %s", number, f.Source)
		if f.Column > 0 && f.Column <= utf8.RuneCountInString(f.Source)+1 {
			fmt.Fprintf(&b, "\n%s | %s^", strings.Repeat(" ", len(number)), indentTo(f.Source, f.Column))
		}
	}
	if f.Hint != "" {
		b.WriteString("\n      = " + f.Hint)
	}
	return b.String()
}

// indentTo returns blanks that reach up to a column of a line; tabs stay tabs.
func indentTo(line string, column int) string {
	var b strings.Builder
	for _, r := range line {
		if column--; column < 1 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

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

// maxFaults is how many faults are told at once.
const maxFaults = 50

// maxSource is how much of an offending line is shown, in bytes.
const maxSource = 200

// A source is a file and what was found wrong and doubtful in it.
type source struct {
	name     string
	data     []byte
	lines    []string
	faults   []Fault
	warnings []Warning
	// mayBeEmpty is set where a file without anything in it means all defaults.
	mayBeEmpty bool
	// undecoded are the places of faults that were found while decoding.
	decoding  bool
	undecoded map[Position]bool
}

func newSource(name string, data []byte) *source {
	return &source{name: name, data: data, lines: strings.Split(string(data), "\n"), undecoded: map[Position]bool{}}
}

// fault notes what is wrong at a place. Where something could not be decoded, what follows from it is
// no news.
func (s *source) fault(at Position, text, hint string) {
	at.File = cmp.Or(at.File, s.name)
	if !s.decoding && s.undecoded[at] || len(s.faults) > 20*maxFaults {
		return
	}
	s.undecoded[at] = s.decoding
	f := Fault{Position: at, Text: text, Hint: hint}
	if at.File == s.name {
		f.Source = s.line(at.Line)
	}
	s.faults = append(s.faults, f)
}

func (s *source) warn(at Position, text string) {
	at.File = cmp.Or(at.File, s.name)
	s.warnings = append(s.warnings, Warning{at, text})
}

var password = regexp.MustCompile(`://[^/\s"']*@`)

// line returns a line as it may be shown.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	text := strings.TrimRight(s.lines[n-1], "\r \t")
	text = password.ReplaceAllString(text, "://***@")
	if len(text) > maxSource {
		text = strings.ToValidUTF8(text[:maxSource], "") + "..."
	}
	return text
}

// sortedWarnings returns the warnings in the order of the file.
func (s *source) sortedWarnings() []Warning {
	slices.SortStableFunc(s.warnings, func(a, b Warning) int {
		return cmp.Or(compareFiles(a.File, b.File, s.name), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(s.warnings)
}

// err returns the faults in the order of the file, nil if there are none.
func (s *source) err() error {
	if len(s.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(s.faults, func(a, b Fault) int {
		return cmp.Or(compareFiles(a.File, b.File, s.name), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all := slices.CompactFunc(s.faults, func(a, b Fault) bool { return a == b })
	if more := len(all) - maxFaults; more > 0 {
		all = append(all[:maxFaults:maxFaults], Fault{Position: Position{File: s.name}, Text: fmt.Sprintf("and %d more", more)})
	}
	return Faults(all)
}

// compareFiles puts what is of the file itself before what is of files that it names.
func compareFiles(a, b, self string) int {
	rank := func(file string) int {
		if file == self {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}
