package policy

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Evaluate finds the row that holds for target and what it proposes. The clocks that come back are
// for the next call.
func (p Policy) Evaluate(target string, c Clocks, in Inputs) (Clocks, Evaluation) {
	e := Evaluation{Policy: p.Name, Target: target, At: in.Now, Mode: p.Mode, Row: -1, Verdict: None}
	if p.Matrix == nil {
		e.Text = "this policy has no matrix"
		return Clocks{At: in.Now}, e
	}
	l := p.look(c, in)
	l.judge(&e)
	l.say(&e)
	return l.clocks, e
}

// A look is one evaluation under way.
type look struct {
	matrix   *Matrix
	in       Inputs
	readings map[string]Reading
	rows     []seenRow // the matrix's, then otherwise
	first    int       // the first row that is not false, len(rows) if there is none
	blind    bool
	clocks   Clocks
}

// A seenRow is a row as it stands at one instant.
type seenRow struct {
	Row
	number    int // from 1; 0 for otherwise
	condition string
	truth     truth
	grows     bool
	freshAt   time.Time // when its evidence will be fresh, zero if it is
	since     time.Time // when its clock began, zero if it does not run
}

func (r seenRow) fresh() bool { return r.freshAt.IsZero() }

func (r seenRow) held(now time.Time) bool { return !r.since.IsZero() && now.Sub(r.since) >= r.For }

func (p Policy) look(c Clocks, in Inputs) look {
	m := p.Matrix
	l := look{matrix: m, in: in, readings: m.known(in.Readings)}
	l.rows = make([]seenRow, 0, len(m.Rows)+1)
	for i, row := range m.Rows {
		l.rows = append(l.rows, l.see(row, i+1))
	}
	if m.Otherwise != nil {
		l.rows = append(l.rows, l.seeOtherwise())
	}
	l.first = slices.IndexFunc(l.rows, func(r seenRow) bool { return r.truth != isFalse })
	if l.first < 0 {
		l.first = len(l.rows)
	}
	l.blind = l.first < len(l.rows) && l.rows[l.first].truth == isUndecided
	l.wind(c, c.broken(in.Now, p.Every))
	return l
}

func (l *look) see(row Row, number int) seenRow {
	r := seenRow{Row: row, number: number, condition: row.Condition(), truth: row.truth(l.readings), grows: row.grows(l.in.Sizes)}
	r.freshAt = l.freshAt(row)
	return r
}

func (l *look) seeOtherwise() seenRow {
	r := l.see(*l.matrix.Otherwise, 0)
	r.condition = "otherwise"
	for _, row := range l.rows {
		switch row.truth {
		case isTrue:
			r.truth = isFalse
			return r
		case isUndecided:
			r.truth = isUndecided
		}
	}
	return r
}

// freshAt is when the evidence of a row will lie wholly after the last change of every resource that
// it changes; zero if it does.
func (l *look) freshAt(row Row) time.Time {
	var changed time.Time
	for _, c := range row.Changes {
		if at := l.in.FreshAt[c.Resource]; at.After(changed) {
			changed = at
		}
	}
	if changed.IsZero() || !row.lookBack(l.in.Now, l.readings, l.matrix.LongestRange).Before(changed) {
		return time.Time{}
	}
	return changed.Add(l.matrix.LongestRange)
}

// wind sets the clock of every row. A blind policy restarts all but those of growths that it can see.
func (l *look) wind(c Clocks, broken bool) {
	l.clocks = Clocks{At: l.in.Now, Rows: make([]RowClock, len(l.rows))}
	for i := range l.rows {
		r := &l.rows[i]
		if l.runs(i) {
			r.since = c.since(i, r.condition)
			if r.since.IsZero() || broken || r.since.After(l.in.Now) {
				r.since = l.in.Now
			}
		}
		l.clocks.Rows[i] = RowClock{Condition: r.condition, Since: r.since}
	}
}

func (l *look) runs(i int) bool {
	r := &l.rows[i]
	switch {
	case !r.fresh() || r.truth == isUndecided:
		return false
	case r.truth == isTrue:
		return r.grows || !l.blind
	}
	return r.grows && slices.ContainsFunc(l.rows, func(o seenRow) bool {
		return o.truth == isTrue && o.grows && o.outgrows(r.Row)
	})
}

// known completes the readings of the matrix's signals: one that is absent, or no number, is unknown.
func (m *Matrix) known(given map[string]Reading) map[string]Reading {
	readings := make(map[string]Reading, len(m.Signals))
	for name, expr := range m.Signals {
		r, ok := given[name]
		r.Signal = name
		if r.Expr == "" {
			r.Expr = expr
		}
		switch {
		case !ok:
			r.Reason = "it was not read"
		case r.Known && math.IsNaN(r.Value):
			r.Known, r.Value, r.Reason = false, 0, "its value is not a number"
		case r.Known && math.IsInf(r.Value, 0):
			r.Known, r.Value, r.Reason = false, 0, "its value is infinite"
		case !r.Known && r.Reason == "":
			r.Reason = "no sample"
		}
		readings[name] = r
	}
	return readings
}

// list returns the readings that any row reads, by name, and those of them that are missing.
func (l *look) list() (all, unknown []Reading) {
	for _, name := range slices.Sorted(maps.Keys(l.readings)) {
		if !slices.ContainsFunc(l.matrix.Rows, func(r Row) bool { _, reads := r.When[name]; return reads }) {
			continue
		}
		r := l.readings[name]
		all = append(all, r)
		if !r.Known {
			unknown = append(unknown, r)
		}
	}
	return all, unknown
}

// resources lists what the matrix speaks of. A matrix that changes nothing speaks of all: nil.
func (m *Matrix) resources() []Resource {
	seen := map[Resource]bool{}
	note := func(r Row) {
		for _, c := range r.Changes {
			seen[c.Resource] = true
		}
	}
	for _, r := range m.Rows {
		note(r)
	}
	if m.Otherwise != nil {
		note(*m.Otherwise)
	}
	return slices.Sorted(maps.Keys(seen))
}

// EffectiveCooldown is how long after a change the row (from 1; 0 for otherwise) can act again at the
// earliest: the largest of the configured cooldown and longest range + for + settle, because no
// evidence from before the end of the change and its settling counts.
func (m Matrix) EffectiveCooldown(row int, configured, settle time.Duration) time.Duration {
	evidence := m.LongestRange + settle
	switch {
	case row > 0 && row <= len(m.Rows):
		evidence += m.Rows[row-1].For
	case row == 0 && m.Otherwise != nil:
		evidence += m.Otherwise.For
	}
	return max(configured, evidence)
}
