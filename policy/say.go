package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// say puts the evaluation into one sentence.
func (l *look) say(e *Evaluation) {
	switch {
	case e.Pending != nil && !e.Pending.FreshAt.IsZero():
		e.Text = fmt.Sprintf("%s is true (%s), but its evidence reaches back to before the last change; it is fresh from %s",
			rowName(e.Row, e.Condition), values(e.Readings), clock(e.Pending.FreshAt))
	case e.Pending != nil:
		e.Text = fmt.Sprintf("%s has been true for %s of the %s it needs (%s)", rowName(e.Row, e.Condition),
			FormatDuration(e.At.Sub(e.Pending.Since)), FormatDuration(e.Pending.For), values(e.Readings))
	case e.Gap:
		e.Text = fmt.Sprintf("no row answers %s, and there is no otherwise: nothing changes", values(e.Readings))
	case e.Row >= 0:
		e.Text = fmt.Sprintf("%s: %s (%s)", rowName(e.Row, e.Condition), e.Verdict, values(e.Readings))
		if e.Why != "" {
			e.Text += ": " + e.Why
		}
	}
	if e.Blind {
		r := l.rows[l.first]
		blind := fmt.Sprintf("blind: %s cannot be decided, because %s; nothing shrinks", rowName(r.number, r.condition), l.missing(r.Row))
		if e.Text != "" {
			blind = e.Text + "; " + blind
		}
		e.Text = blind
	}
}

func rowName(row int, condition string) string {
	if row == 0 {
		return "otherwise"
	}
	return "row " + strconv.Itoa(row) + " (" + condition + ")"
}

// values writes what was read: "cpu = 78, p99 is unknown".
func values(readings []Reading) string {
	if len(readings) == 0 {
		return "nothing is read"
	}
	parts := make([]string, len(readings))
	for i, r := range readings {
		if parts[i] = r.Signal + " is unknown"; r.Known {
			parts[i] = r.Signal + " = " + strconv.FormatFloat(r.Value, 'g', 4, 64)
		}
	}
	return strings.Join(parts, ", ")
}

// missing names the unknown signals that the row reads, with the reasons. Otherwise reads what all
// rows read.
func (l *look) missing(r Row) string {
	var parts []string
	_, unknown := l.list()
	for _, u := range unknown {
		if _, reads := r.When[u.Signal]; reads || len(r.When) == 0 {
			parts = append(parts, u.Signal+" is unknown: "+u.Reason)
		}
	}
	return strings.Join(parts, "; ")
}

// clock writes an instant for a sentence.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }
