package view

import (
	"fmt"
	"io"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// Explain writes everything that is known of one decision: first in short, then the evidence, what
// stood against it, and what became of it.
func (v View) Explain(w io.Writer, x api.Explanation) error {
	v.Now = x.Now
	p := &page{}
	d := x.Decision
	p.line("%s", v.story(x))
	p.title("Decision " + d.ID)
	v.origin(p, d)
	v.signals(p, d)
	v.against(p, d)
	if x.Action != nil {
		v.action(p, *x.Action)
	}
	if text := d.Diagnosis; text != "" && (x.Action == nil || x.Action.Diagnosis != text) {
		p.title("Diagnosis")
		p.line("  %s", text)
	}
	return p.to(w)
}

// origin says when, by what and why.
func (v View) origin(p *page, d policy.Decision) {
	rows := [][]string{{"change", d.Target + " " + string(d.Change.Resource) + ": " + change(d.Change.Resource, d.From, d.To)}}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	made := fmt.Sprintf("%s, %s ago", v.clock(d.At), v.ago(d.At))
	if d.Count > 1 {
		made += fmt.Sprintf("; %d times the same, last %s", d.Count, v.clock(d.LastAt))
	}
	add("made", made)
	add("policy", d.Policy)
	add("row", row(d))
	add("verdict", string(d.Verdict))
	add("how", string(d.Strategy))
	add("runtime", d.Runtime)
	add("mode", string(d.Mode))
	add("why", d.Why)
	add("evidence", d.Evidence)
	if !d.Deadline.IsZero() {
		add("deadline", v.until(d.Deadline)+", then "+or(string(d.AtDead), string(policy.Ask)))
	}
	p.table("  ", nil, rows)
}

// row writes the line of the matrix.
func row(d policy.Decision) string {
	switch {
	case d.Row > 0:
		return fmt.Sprintf("%d: %s", d.Row, or(d.Condition, "always"))
	case d.Row == 0 && d.Condition == "":
		return "otherwise"
	}
	return d.Condition
}

// signals writes what was seen, as old as it was when the decision was made last.
func (v View) signals(p *page, d policy.Decision) {
	if len(d.Readings) == 0 {
		return
	}
	p.title("Signals")
	var rows [][]string
	for _, r := range d.Readings {
		value, age := number(r.Value), length(d.LastAt.Sub(r.At))
		if !r.Known {
			value = "unknown: " + or(r.Reason, "no reason known")
		}
		if r.At.IsZero() {
			age = "-"
		}
		rows = append(rows, []string{r.Signal, value, age, r.Expr})
	}
	p.table("  ", []string{"SIGNAL", "VALUE", "AGE", "EXPRESSION"}, rows)
}

// against says what touched, beat, refused or holds the change.
func (v View) against(p *page, d policy.Decision) {
	if len(d.Touches) > 0 {
		p.title("Limits that touched it")
		for _, t := range d.Touches {
			p.line("  %s", touch(d.Change.Resource, t))
		}
	}
	if len(d.Losers) > 0 {
		p.title("What it was chosen over")
		for _, l := range d.Losers {
			p.line("  %s: %s", loser(l.Proposal), l.Reason)
		}
	}
	switch {
	case d.Refused != "":
		p.title("Refused")
		p.line("  %s", d.Refused)
	case d.Held != nil && !actuators.Final(d.Outcome):
		p.title("Waits for")
		p.line("  %s", v.held(*d.Held))
	}
}

// loser names a proposal that was not taken.
func loser(p policy.Proposal) string {
	text := p.Policy
	if p.Condition != "" {
		text += " (" + p.Condition + ")"
	}
	if p.Verdict == policy.HoldSize {
		return text + ", which vetoes decreases"
	}
	if p.To.IsUnset() {
		return text + ", " + string(p.Verdict)
	}
	return text + ", " + change(p.Change.Resource, p.From, p.To)
}

// action tells the course of an action.
func (v View) action(p *page, a api.ActionView) {
	p.title("Action " + a.ID + ": " + string(a.State))
	if a.Command != "" {
		p.line("  same as    %s", a.Command)
	}
	for _, n := range a.Notes {
		p.line("  note       %s", n)
	}
	if ok := a.Approval; ok != nil {
		p.line("  approved   by %s at %s", ok.By, v.clock(ok.At))
	}
	if !a.RetryAfter.IsZero() {
		p.line("  not again  in the same circumstances before %s", v.until(a.RetryAfter))
	}
	if len(a.Steps) > 0 {
		p.title("Steps")
		for i, s := range a.Steps {
			p.line("  %d. %s%s", i+1, s.Text, stepMark(a.State, s))
		}
	}
	v.progress(p, a)
	if len(a.Times) > 0 {
		p.title("Course")
		var rows [][]string
		for _, t := range a.Times {
			rows = append(rows, []string{v.clock(t.At), string(t.State), t.Reason})
		}
		p.table("  ", nil, rows)
	}
	if len(a.Checks) > 0 {
		p.title("Did it help?")
		var rows [][]string
		for _, c := range a.Checks {
			rows = append(rows, []string{v.clock(c.At), shown(c.Shown), c.Text})
		}
		p.table("  ", nil, rows)
	}
	if a.Diagnosis != "" {
		p.title("Diagnosis")
		p.line("  %s", a.Diagnosis)
	}
}

// stepMark says what is to be known of a step of an action in a state.
func stepMark(action actuators.ActionState, s api.StepView) string {
	switch {
	case s.Irreversible && !s.Begun:
		return " (cannot be undone)"
	case s.Begun && action == actuators.RolledBack:
		return " (done and undone)"
	case s.Begun:
		return " (done)"
	}
	return ""
}

func shown(b *bool) string {
	switch {
	case b == nil:
		return "cannot be told"
	case *b:
		return "yes"
	}
	return "no"
}
