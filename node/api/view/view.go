// Package view writes what a node's API answers as text for people. It keeps nothing and asks nobody.
package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// A page collects a text, so that it is cleaned and written at once.
type page struct{ strings.Builder }

// line writes one line, whatever is in the arguments.
func (p *page) line(format string, args ...any) {
	p.WriteString(strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ") + "\n")
}

// table writes rows of cells under a head, each column as wide as its widest cell.
func (p *page) table(head string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Fields(head), "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.Join(strings.Fields(cell), " ") // a cell is one line
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a Builder takes everything
	for line := range strings.Lines(text.String()) {
		p.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// to writes the page. What a memory says must not move the cursor of whoever reads it.
func (p *page) to(w io.Writer) error {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || r == '\u202e' {
			return '?'
		}
		return r
	}, p.String())
	_, err := io.WriteString(w, text)
	return err
}

// Bytes writes an amount of memory or storage in binary units.
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	x, i := float64(n), 0
	for ; (x >= 1024 || x <= -1024) && i < len(units)-1; i++ {
		x /= 1024
	}
	if i == 0 || x >= 100 {
		return fmt.Sprintf("%.0f %s", x, units[i])
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}

// percent writes a share; of nothing it is a dash.
func percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}

func number[T ~int | ~int64 | ~uint64](n T) string { return strconv.FormatInt(int64(n), 10) }

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// excerpt is the beginning of a text, in one line.
func excerpt(text string, runes int) string {
	text = strings.Join(strings.Fields(text), " ")
	all := []rune(text)
	if len(all) <= runes {
		return text
	}
	return string(all[:runes-1]) + "…"
}
