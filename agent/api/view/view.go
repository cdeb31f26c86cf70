package view

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/engramd/engramd/policy"
)

// A View writes texts as of a moment, in a time zone.
type View struct {
	Now  time.Time
	Zone *time.Location // nil is UTC
}

// A page collects a text, so that it is cleaned and written at once.
type page struct{ strings.Builder }

// line writes one line, whatever is in the arguments.
func (p *page) line(format string, args ...any) {
	p.WriteString(strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ") + "\n")
}

// title begins a section.
func (p *page) title(text string) {
	p.WriteByte('\n')
	p.line("%s", text)
}

// table writes rows of cells under a head, each column as wide as its widest cell. indent is put in
// front of each line.
func (p *page) table(indent string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if head != nil {
		rows = append([][]string{head}, rows...)
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.Join(strings.Fields(cell), " ") // a cell is one line
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a Builder takes everything
	for line := range strings.Lines(text.String()) {
		p.WriteString(indent + strings.TrimRight(line, " \n") + "\n")
	}
}

// parts writes one part for each item, with an empty line between two, or that there is none.
func parts[T any](w io.Writer, all []T, none string, write func(*page, T)) error {
	p := &page{}
	if len(all) == 0 {
		p.line("%s", none)
	}
	for i, one := range all {
		if i > 0 {
			p.WriteByte('\n')
		}
		write(p, one)
	}
	return p.to(w)
}

// to writes the page.
func (p *page) to(w io.Writer) error {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return '?'
		}
		return r
	}, p.String())
	_, err := io.WriteString(w, text)
	return err
}

// clock writes a time; of today only the time of day.
func (v View) clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	zone := v.Zone
	if zone == nil {
		zone = time.UTC
	}
	t, now := t.In(zone), v.Now.In(zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// ago writes how long ago a time was.
func (v View) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return length(v.Now.Sub(t))
}

// until writes a time to come, with how long that is; "" if there is none.
func (v View) until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if !t.After(v.Now) {
		return v.clock(t)
	}
	return v.clock(t) + " (in " + length(t.Sub(v.Now)) + ")"
}

// length writes a duration in its two largest units.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + length(-d)
	case d < time.Second:
		return "0s"
	case d < time.Hour:
		d = d.Truncate(time.Second)
	case d < 24*time.Hour:
		d = d.Truncate(time.Minute)
	default:
		d = d.Truncate(time.Hour)
	}
	return policy.FormatDuration(d)
}

// number writes a reading.
func number(f float64) string {
	if math.Abs(f) >= 1e6 || f != 0 && math.Abs(f) < 1e-3 {
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 3, 64), "0"), ".")
}

// change writes what becomes of a resource.
func change(r policy.Resource, from, to policy.Quantity) string {
	switch {
	case r.IsOperation():
		return "run once"
	case from.IsUnset() && to.IsUnset():
		return "-"
	}
	return r.Format(from) + " -> " + r.Format(to)
}

// or returns text, or instead if text is empty.
func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
