package show

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// narrow is the width below which signals have no chart and rows no column of their own.
const narrow = 60

// Draw draws s into width columns and at most height lines (0: as many as it takes).
func Draw(s State, width, height int, look Look) string {
	if width < 1 {
		return ""
	}
	f := &frame{style: look.style(), width: width}
	f.head(s)
	f.signals(s)
	f.rows(s)
	f.actions(s, height)
	if s.Trouble != "" {
		f.gap()
		f.wrapped("", red, s.Trouble)
	}
	return strings.Join(f.fit(height), "\n")
}

// A frame is lines that are being written.
type frame struct {
	style
	width int
	lines []string
}

func (f *frame) put(l line) { f.lines = append(f.lines, f.write(l, f.width)) }
func (f *frame) gap()       { f.lines = append(f.lines, "") }

// wrapped puts a text that may need several lines behind an indent.
func (f *frame) wrapped(indent string, i ink, s string) {
	for _, part := range wrap(s, f.width-len(indent)) {
		f.put(line{in(plain, indent), in(i, part)})
	}
}

func (f *frame) title(s string) {
	f.gap()
	f.put(line{in(bold, s)})
}

// head is the title, the phases and what the load does.
func (f *frame) head(s State) {
	clock := clockOf(s.Elapsed)
	name := "engramd demo"
	if room := f.width - len(name) - len(clock) - 4; room > 10 {
		name += "  " + f.pad(s.Where, room+1)
	}
	f.put(line{in(bold, f.pad(name, max(0, f.width-len(clock)-1))), in(plain, " "), in(plain, clock)})
	phases := line{}
	for i, p := range s.Phases {
		if i > 0 {
			phases = append(phases, in(plain, "  "))
		}
		phases = append(phases, in(stageInk[p.Stage], f.stages[p.Stage]+" "+p.Name))
	}
	f.put(phases)
	f.wrapped("", plain, s.Note)
}

// signals are a line each: name, value, chart, and the bound of the row.
func (f *frame) signals(s State) {
	if len(s.Signals) == 0 {
		return
	}
	f.title("SIGNALS")
	names, values := 0, 0
	for _, g := range s.Signals {
		names, values = max(names, len(g.Name)), max(values, len(g.now()))
	}
	for _, g := range s.Signals {
		i := plain
		if over(g) {
			i = yellow
		}
		l := line{in(plain, "  "+f.pad(g.Name, names)+"  "), in(i, fmt.Sprintf("%*s", values, g.now()))}
		if f.width >= narrow {
			bound := ""
			if g.Bound > 0 {
				bound = "row begins at " + number(g.Bound) + g.Unit
			}
			room := f.width - 2 - names - 2 - values - 2 - 2 - 20
			l = append(l, in(plain, "  "), in(i, f.chart(g.History, g.Bound, min(room, 60))), in(faint, "  "+bound))
		}
		f.put(l)
	}
}

// over reports whether a signal is in its row.
func over(g Signal) bool {
	return g.Bound > 0 && len(g.History) > 0 && g.History[len(g.History)-1] >= g.Bound
}

// now is the newest value as text.
func (g Signal) now() string {
	if len(g.History) == 0 || math.IsNaN(g.History[len(g.History)-1]) {
		return "-"
	}
	return number(g.History[len(g.History)-1]) + g.Unit
}

func number(v float64) string {
	if v == math.Trunc(v) || math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// rows say which row of each matrix holds.
func (f *frame) rows(s State) {
	if len(s.Rows) == 0 {
		return
	}
	f.title("ROW THAT HOLDS")
	names, conditions := 0, 0
	for _, r := range s.Rows {
		names, conditions = max(names, len(r.Policy)), max(conditions, len(r.Condition))
	}
	for _, r := range s.Rows {
		i := faint
		if r.Acts {
			i = yellow
		}
		said := r.Verdict
		if f.width < narrow {
			f.put(line{in(plain, "  "+r.Policy+"  "), in(i, r.Condition+"  "+said)})
			continue
		}
		f.put(line{in(plain, "  "+f.pad(r.Policy, names)+"  "), in(i, f.pad(r.Condition, conditions)+"  "+said)})
	}
}

// actions are the changes, the newest in full: where there is not room for all of them the older ones are in
// short.
func (f *frame) actions(s State, height int) {
	f.title("ACTIONS")
	if len(s.Actions) == 0 {
		f.put(line{in(faint, "  none so far")})
		return
	}
	used := len(f.lines)
	for shown := len(s.Actions); ; shown-- {
		f.lines = f.lines[:used]
		for i, a := range s.Actions {
			f.action(a, i >= len(s.Actions)-shown)
		}
		if shown <= 1 || height <= 0 || len(f.lines) <= height {
			return
		}
	}
}

// action is one change: what, how it stands, why it was decided, what validation found, how it ended.
func (f *frame) action(a Action, full bool) {
	i, sign := stageInk[a.Stage], f.stages[a.Stage]
	if a.Stage == Done && !a.Good {
		i, sign = yellow, f.back
	}
	f.put(line{in(plain, "  "), in(i, sign), in(bold, " "+a.What), in(plain, "  "), in(i, a.State), in(faint, "  "+a.ID)})
	if !full {
		return
	}
	const indent = "    "
	if a.Because != "" {
		f.wrapped(indent, plain, "because "+a.Because)
	}
	if n := len(a.Checks); n > 0 {
		var marks strings.Builder
		for _, c := range a.Checks {
			marks.WriteString(f.marks[c.Mark])
		}
		f.wrapped(indent, plain, "effect "+marks.String()+" "+a.Checks[n-1].Text)
	}
	if a.Reason != "" && a.Stage != Running {
		f.wrapped(indent, i, a.State+": "+a.Reason)
	}
	if a.Diagnosis != "" {
		f.wrapped(indent, yellow, "diagnosis: "+a.Diagnosis)
	}
}

// fit makes the lines fit into height: empty ones go first, then what is in the middle. The top says where we
// are, and the bottom is what happens now.
func (f *frame) fit(height int) []string {
	if height <= 0 || len(f.lines) <= height {
		return f.lines
	}
	lines := slices.DeleteFunc(slices.Clone(f.lines), func(s string) bool { return s == "" })
	if len(lines) <= height {
		return lines
	}
	top := min(2, height)
	return slices.Concat(lines[:top], lines[len(lines)-(height-top):])
}

func clockOf(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
