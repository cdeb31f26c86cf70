package policy

import "slices"

// winner is the row that speaks: the first that is true, or behind an undecided one the first that is
// true if it grows. Nil if none may.
func (l *look) winner() *seenRow {
	if l.first == len(l.rows) {
		return nil
	}
	if !l.blind {
		return &l.rows[l.first]
	}
	i := slices.IndexFunc(l.rows, func(r seenRow) bool { return r.truth == isTrue })
	if i < 0 || !l.rows[i].grows {
		return nil
	}
	return &l.rows[i]
}

func (l *look) judge(e *Evaluation) {
	e.Readings, e.Unknown = l.list()
	for _, r := range l.rows {
		if r.held(l.in.Now) {
			e.Holding = append(e.Holding, r.number)
		}
	}
	if l.blind {
		e.Blind, e.Veto, e.VetoOn = true, true, l.matrix.resources()
	}
	r := l.winner()
	switch {
	case r == nil && l.blind:
		e.Verdict = Blind
	case r == nil:
		e.Verdict, e.Gap, e.Veto, e.VetoOn = HoldSize, true, true, l.matrix.resources()
	default:
		e.Row, e.Condition, e.Why = r.number, r.condition, r.Why
		if r.held(l.in.Now) { // which it never has on stale evidence
			l.fire(e, r)
		} else {
			l.wait(e, r)
		}
	}
}

// wait notes a row that is true and may not act yet. What might grow or wants to hold must not shrink
// meanwhile.
func (l *look) wait(e *Evaluation, r *seenRow) {
	e.Pending = &Pending{Since: r.since, For: r.For, FreshAt: r.freshAt}
	switch {
	case l.blind:
		e.Verdict = Blind
	case r.grows:
		e.Verdict, e.Veto = HoldSize, true
		for _, c := range r.Changes {
			e.VetoOn = append(e.VetoOn, c.Resource)
		}
	case r.verdict() == HoldSize:
		e.Verdict, e.Veto, e.VetoOn = HoldSize, true, l.matrix.resources()
	}
}

func (l *look) fire(e *Evaluation, r *seenRow) {
	e.Verdict = r.verdict()
	e.Diagnose = slices.Contains(r.Do, Diagnose)
	switch e.Verdict {
	case HoldSize:
		e.Veto, e.VetoOn = true, l.matrix.resources()
	case PlanOnly, Scale, Emergency:
		for _, c := range r.Changes {
			e.Proposals = append(e.Proposals, l.propose(e, r, c))
		}
	}
}

func (l *look) propose(e *Evaluation, r *seenRow, c Change) Proposal {
	p := Proposal{
		Target: e.Target, Policy: e.Policy, Source: FromMatrix, Row: r.number, Condition: r.condition,
		Verdict: e.Verdict, Change: c, Mode: e.Mode, AtDead: r.AtDeadline, Why: r.Why,
		Direction: c.direction(l.in.Sizes), From: l.in.Sizes[c.Resource],
	}
	if r.Within > 0 {
		p.Deadline = l.in.Now.Add(r.Within)
	}
	for _, reading := range e.Readings {
		if _, reads := r.When[reading.Signal]; reads {
			p.Readings = append(p.Readings, reading)
		}
	}
	return p
}
