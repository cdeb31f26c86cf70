package show

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Look says how a frame may be written.
type Look struct {
	Color bool
	// ASCII is for terminals that are not known to understand UTF-8.
	ASCII bool
}

// LookOf reads the environment: NO_COLOR switches color off, and a locale that does not say UTF-8 means ASCII.
func LookOf(getenv func(string) string) Look {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale = getenv(name); locale != "" {
			break
		}
	}
	locale = strings.ToLower(locale)
	return Look{
		Color: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
		ASCII: !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8"),
	}
}

// A style is a look with the characters and colors that it has.
type style struct {
	Look
	bars   []rune
	stages map[Stage]string
	marks  map[Mark]string
	back   string // an action that ended, and not by helping
	dots   string
}

func (l Look) style() style {
	y := style{
		Look: l, bars: []rune("▁▂▃▄▅▆▇█"), dots: "…", back: "↩",
		stages: map[Stage]string{Ahead: "○", Running: "▶", Done: "✓", Failed: "✗"},
		marks:  map[Mark]string{Unknown: "?", Helped: "✓", NoHelp: "✗"},
	}
	if l.ASCII {
		y.bars, y.dots, y.back = []rune("_.-:=+*#"), "~", "<"
		y.stages = map[Stage]string{Ahead: ".", Running: ">", Done: "+", Failed: "x"}
		y.marks = map[Mark]string{Unknown: "?", Helped: "+", NoHelp: "x"}
	}
	return y
}

// An ink is how a piece of text is written: parameters of the terminal's SGR sequence.
type ink string

const (
	plain  ink = ""
	bold   ink = "1"
	faint  ink = "2"
	green  ink = "32"
	yellow ink = "33"
	red    ink = "31"
	cyan   ink = "36"
)

// inks of stages.
var stageInk = map[Stage]ink{Ahead: faint, Running: cyan, Done: green, Failed: red}

// A piece is text in one ink.
type piece struct {
	text string
	ink  ink
}

// A line is pieces side by side.
type line []piece

func in(i ink, s string) piece { return piece{s, i} }

// write cuts a line to width and writes it. What others wrote (an error, a name) has its control characters
// taken out, so that no text can move the cursor.
func (y style) write(l line, width int) string {
	var b strings.Builder
	room := width
	for i, p := range l {
		s := clean(p.text)
		n := utf8.RuneCountInString(s)
		more := i+1 < len(l)
		switch {
		case room <= 0:
			return b.String()
		case n > room || n == room && more && rest(l[i+1:]):
			s = y.cut(s, room)
			n = room
		}
		room -= n
		if y.Color && p.ink != plain {
			b.WriteString("\x1b[" + string(p.ink) + "m" + s + "\x1b[0m")
		} else {
			b.WriteString(s)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// rest reports whether there is anything to see in what follows.
func rest(l line) bool {
	for _, p := range l {
		if strings.TrimSpace(p.text) != "" {
			return true
		}
	}
	return false
}

// cut shortens s to n characters and shows that it did.
func (y style) cut(s string, n int) string {
	if r := []rune(s); len(r) >= n && n > 0 {
		return string(r[:n-1]) + y.dots
	}
	return s
}

// clean takes out what is no text. What an ASCII terminal cannot show is left to it: messages are ASCII.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
}

// pad fills s to n characters, or cuts it.
func (y style) pad(s string, n int) string {
	k := utf8.RuneCountInString(s)
	if k > n {
		return y.cut(s, n)
	}
	return s + strings.Repeat(" ", n-k)
}

// Wrap breaks a text into lines of at most width characters, each behind an indent.
func Wrap(indent, s string, width int) string {
	var b strings.Builder
	for _, part := range wrap(s, max(1, width-len(indent))) {
		b.WriteString(indent + part + "\n")
	}
	return b.String()
}

// wrap breaks s into lines of at most width characters, at spaces where there are any.
func wrap(s string, width int) (lines []string) {
	if width < 1 {
		return nil
	}
	var now []rune
	for word := range strings.FieldsSeq(clean(s)) {
		r := []rune(word)
		if len(now) > 0 && len(now)+1+len(r) > width {
			lines, now = append(lines, string(now)), nil
		}
		if len(now) > 0 {
			now = append(now, ' ')
		}
		now = append(now, r...)
		for len(now) > width {
			lines, now = append(lines, string(now[:width])), now[width:]
		}
	}
	if len(now) > 0 {
		lines = append(lines, string(now))
	}
	return lines
}
