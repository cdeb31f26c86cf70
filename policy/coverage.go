package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cover proves that every point has its row, and finds rows that share points or have none.
func (l *linter) cover() {
	axes := l.m.axes()
	open := []box{everything(len(axes))}
	boxes := make([]box, len(l.m.Rows))
	for i, r := range l.m.Rows {
		boxes[i] = r.box(axes)
		if slices.ContainsFunc(boxes[i], Interval.empty) {
			continue // reported with its row
		}
		if !l.reachable(i+1, boxes[:i], boxes[i]) {
			continue
		}
		l.overlaps(i+1, axes, boxes[:i], boxes[i])
		rest, ok := without(open, boxes[i])
		if !ok {
			l.fail(-1, "", "the rows are too many to prove that they cover everything", "split the matrix, or read fewer signals in it")
			return
		}
		open = rest
	}
	switch {
	case len(open) == 0 && l.m.Otherwise != nil:
		l.warn(0, "", "it is never reached: the rows cover everything", "leave it out")
	case len(open) > 0 && l.m.Otherwise == nil:
		l.gap(axes, open)
	}
}

// gap reports the open boxes with one point, and a likely one: most signals are never negative.
func (l *linter) gap(axes []string, open []box) {
	likely := slices.IndexFunc(open, func(b box) bool {
		return !slices.ContainsFunc(b, func(i Interval) bool { return i.Hi <= 0 })
	})
	hint := "add a row for it, or otherwise"
	if likely < 0 {
		likely, hint = 0, "write < 50 instead of 0..50, or add otherwise"
	}
	point := open[likely].point(axes)
	l.faults = append(l.faults, Fault{
		Row: -1, Severity: Critical, Text: "no row answers " + pointText(axes, point), Hint: hint, Example: point,
	})
}

func (l *linter) reachable(n int, earlier []box, b box) bool {
	rest := []box{b}
	var covering []string
	for i, e := range earlier {
		if _, overlap := e.intersect(b); !overlap {
			continue
		}
		covering = append(covering, strconv.Itoa(i+1))
		var ok bool
		if rest, ok = without(rest, e); !ok {
			return true // cannot be told
		}
	}
	if len(rest) > 0 {
		return true
	}
	rows := "row " + covering[0] + " answers"
	if len(covering) > 1 {
		rows = "rows " + strings.Join(covering, ", ") + " answer"
	}
	l.fail(n, "when", "it is never reached: "+rows+" all of it", "move it up, or leave it out")
	return false
}

func (l *linter) overlaps(n int, axes []string, earlier []box, b box) {
	for i, e := range earlier {
		both, overlap := e.intersect(b)
		if !overlap || slices.ContainsFunc(e, Interval.empty) {
			continue
		}
		point := both.point(axes)
		l.faults = append(l.faults, Fault{
			Row: n, Where: "when", Severity: Warning, Example: point,
			Text: fmt.Sprintf("row %d answers %s, too, and comes first", i+1, pointText(axes, point)),
			Hint: fmt.Sprintf("row %d wins; narrow one of them if that is not meant", i+1),
		})
	}
}

func pointText(axes []string, point map[string]float64) string {
	parts := make([]string, len(axes))
	for i, name := range axes {
		parts[i] = name + " = " + formatBound(point[name])
	}
	if len(parts) == 0 {
		return "anything"
	}
	return strings.Join(parts, ", ")
}
