package view

import (
	"fmt"
	"io"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// Plans writes what would be done now.
func (v View) Plans(w io.Writer, plans []api.PlanView) error {
	return parts(w, plans, "Nothing would be done: no policy asks for a change now.", v.plan)
}

func (v View) plan(p *page, one api.PlanView) {
	how := ""
	if one.Strategy != "" {
		how = ", " + string(one.Strategy)
	}
	p.line("%s %s: %s (%s%s)", one.Target, one.Resource, change(one.Resource, one.From, one.To), or(string(one.Direction), "operation"), how)
	reason := one.Policy
	if one.Condition != "" {
		reason += ": " + one.Condition
	}
	if one.Why != "" {
		reason += " (" + one.Why + ")"
	}
	p.line("  because   %s", reason)
	for _, t := range one.Touches {
		p.line("  limit     %s", touch(one.Resource, t))
	}
	switch {
	case one.Refused != "":
		p.line("  refused   %s", one.Refused)
	case one.Held != nil:
		p.line("  waits for %s", v.held(*one.Held))
	case one.Verdict == policy.PlanOnly:
		p.line("  a plan    it never runs by itself")
	default:
		p.line("  runs      now")
	}
	for i, s := range one.Steps {
		p.line("  step %d    %s%s", i+1, s.Text, stepMark("", s))
	}
	if one.Command != "" {
		p.line("  same as   %s", one.Command)
	}
	for _, n := range one.Notes {
		p.line("  note      %s", n)
	}
	if one.ActionID != "" && one.Held != nil && one.Held.By == policy.HeldByApproval {
		p.line("  to allow  engramd approve %s", one.ActionID)
	}
}

// touch says what a limit did.
func touch(r policy.Resource, t policy.Touch) string {
	text := t.Limit
	if t.From != t.To {
		text += fmt.Sprintf(" (%s)", change(r, t.From, t.To))
	}
	if t.Text != "" {
		text += ": " + t.Text
	}
	return text
}
