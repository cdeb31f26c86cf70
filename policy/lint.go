package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Fault is something wrong with a matrix.
type Fault struct {
	Row      int                // from 1; 0 for otherwise, -1 for the matrix as a whole
	Where    string             // "when.cpu", "do", "change.cpu", "for", "within", "why", "signals.cpu" or ""
	Severity Severity           // Critical is an error, Warning a warning
	Text     string             // what is wrong
	Hint     string             // what to do about it
	Example  map[string]float64 // a point that shows it, nil if none
}

// Error writes the fault in one line.
func (f Fault) Error() string {
	text := f.Text
	switch {
	case f.Row == 0:
		text = "otherwise: " + text
	case f.Row > 0:
		text = "row " + strconv.Itoa(f.Row) + ": " + text
	}
	if f.Hint != "" {
		text += "; " + f.Hint
	}
	return text
}

// Lint returns every fault of m. It proves that the rows cover every value of every signal.
func Lint(m Matrix) []Fault {
	l := linter{m: &m}
	l.signals()
	for i, r := range m.Rows {
		l.row(i+1, r)
	}
	if m.Otherwise != nil {
		l.row(0, *m.Otherwise)
		if len(m.Otherwise.When) > 0 {
			l.fail(0, "when", "otherwise has a condition", "make it a row, or leave the condition out")
		}
	}
	if len(m.Rows) == 0 && m.Otherwise == nil {
		l.fail(-1, "", "there are no rows", "write at least one")
		return l.faults
	}
	l.cover()
	return l.faults
}

type linter struct {
	m      *Matrix
	faults []Fault
}

func (l *linter) fail(row int, where, text, hint string) {
	l.faults = append(l.faults, Fault{Row: row, Where: where, Severity: Critical, Text: text, Hint: hint})
}

func (l *linter) warn(row int, where, text, hint string) {
	l.faults = append(l.faults, Fault{Row: row, Where: where, Severity: Warning, Text: text, Hint: hint})
}

func (l *linter) signals() {
	read := l.m.axes()
	for _, name := range slices.Sorted(maps.Keys(l.m.Signals)) {
		if strings.TrimSpace(l.m.Signals[name]) == "" {
			l.fail(-1, "signals."+name, "signal "+name+" has no expression", "write PromQL")
		}
		if !slices.Contains(read, name) {
			l.warn(-1, "signals."+name, "no row reads signal "+name, "leave it out")
		}
	}
}

func (l *linter) row(n int, r Row) {
	for _, name := range slices.Sorted(maps.Keys(r.When)) {
		if _, known := l.m.Signals[name]; !known {
			l.fail(n, "when."+name, "signal "+name+" is not declared", l.declared())
		}
		if r.When[name].empty() {
			l.fail(n, "when."+name, fmt.Sprintf("%s is in no interval: %s", name, r.When[name]), "the lower bound must be below the upper one")
		}
	}
	if r.For < 0 {
		l.fail(n, "for", "for is negative", "leave it out to act at once")
	}
	l.verdicts(n, r)
	l.deadline(n, r)
	l.changes(n, r)
}

func (l *linter) declared() string {
	if len(l.m.Signals) == 0 {
		return "declare it under signals"
	}
	return "declared are " + strings.Join(slices.Sorted(maps.Keys(l.m.Signals)), ", ")
}

func (l *linter) verdicts(n int, r Row) {
	if len(r.Do) == 0 {
		l.fail(n, "do", "it says nothing to do", "write do: none, hold, plan, scale, emergency or diagnose")
		return
	}
	var said []string
	for _, v := range r.Do {
		switch v {
		case None, HoldSize, PlanOnly, Scale, Emergency:
			said = append(said, string(v))
		case Diagnose:
		default:
			l.fail(n, "do", fmt.Sprintf("%.40q is no verdict", string(v)), "there are none, hold, plan, scale, emergency and diagnose")
		}
	}
	if len(said) > 1 {
		l.fail(n, "do", "it says "+strings.Join(said, " and "), "one verdict, with diagnose beside it if wanted")
	}
	if r.verdict() == HoldSize && strings.TrimSpace(r.Why) == "" {
		l.fail(n, "why", "a hold does not say why", "write why: people will ask")
	}
}

func (l *linter) deadline(n int, r Row) {
	switch r.AtDeadline {
	case "", Ask, RunAtDeadline:
	default:
		l.fail(n, "at_deadline", fmt.Sprintf("%.40q is not possible at a deadline", string(r.AtDeadline)), "there are ask and run")
	}
	switch {
	case r.Within < 0:
		l.fail(n, "within", "within is negative", "leave it out for no deadline")
	case r.Within == 0 && r.AtDeadline != "":
		l.fail(n, "at_deadline", "there is no deadline", "set within")
	case r.Within > 0 && len(r.Changes) == 0:
		l.warn(n, "within", "there is a deadline and nothing to change", "leave within out")
	}
}

func (l *linter) changes(n int, r Row) {
	switch verdict := r.verdict(); verdict {
	case PlanOnly, Scale, Emergency:
		if len(r.Changes) == 0 {
			l.fail(n, "change", string(verdict)+" does not say what to change", "write change: {cpu: {by: x2}}")
		}
	default:
		if len(r.Changes) > 0 {
			l.fail(n, "change", string(verdict)+" changes nothing", "leave change out, or write plan, scale or emergency")
		}
	}
	seen := map[Resource]bool{}
	for _, c := range r.Changes {
		where := "change." + string(c.Resource)
		if err := c.check(); err != nil {
			l.fail(n, where, string(c.Resource)+": "+err.Error(), "")
		}
		if seen[c.Resource] {
			l.fail(n, where, string(c.Resource)+" is changed twice", "one change a resource")
		}
		seen[c.Resource] = true
	}
}
