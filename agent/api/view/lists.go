package view

import (
	"fmt"
	"io"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// Decisions writes a list of decisions.
func (v View) Decisions(w io.Writer, ds []policy.Decision) error {
	p := &page{}
	if len(ds) == 0 {
		p.line("No decisions: nothing has asked for a change.")
	}
	var rows [][]string
	for _, d := range ds {
		rows = append(rows, []string{
			d.ID, v.clock(d.LastAt), fmt.Sprint(d.Count), d.Target, string(d.Change.Resource),
			change(d.Change.Resource, d.From, d.To), string(d.Verdict), d.Policy, v.stands(d),
		})
	}
	p.table("", []string{"DECISION", "LAST", "TIMES", "TARGET", "RESOURCE", "CHANGE", "VERDICT", "POLICY", "OUTCOME"}, rows)
	return p.to(w)
}

// stands says in a few words where a decision stands.
func (v View) stands(d policy.Decision) string {
	switch {
	case d.Outcome != "" && actuators.Final(d.Outcome):
		return string(d.Outcome)
	case d.Refused != "":
		return "refused: " + d.Refused
	case d.Held != nil:
		return "waits for " + v.held(*d.Held)
	}
	return or(string(d.Outcome), "-")
}

// held says what a change waits for.
func (v View) held(h policy.Held) string {
	text := h.By
	if h.Text != "" {
		text += ": " + h.Text
	}
	if !h.Until.IsZero() {
		text += ", until " + v.until(h.Until)
	}
	return text
}

// Actions writes a list of actions.
func (v View) Actions(w io.Writer, as []api.ActionView) error {
	p := &page{}
	if len(as) == 0 {
		p.line("No actions.")
	}
	v.actionTable(p, as)
	return p.to(w)
}

func (v View) actionTable(p *page, as []api.ActionView) {
	var rows [][]string
	for _, a := range as {
		since := "-"
		if n := len(a.Times); n > 0 {
			since = v.ago(a.Times[n-1].At)
		}
		rows = append(rows, []string{
			a.ID, a.Target, string(a.Resource), change(a.Resource, a.From, a.To), string(a.Strategy), string(a.State), since, v.next(a),
		})
	}
	p.table("", []string{"ACTION", "TARGET", "RESOURCE", "CHANGE", "HOW", "STATE", "SINCE", "WHY"}, rows)
}

// next says why an action is where it is and, where a person is asked, what to type.
func (v View) next(a api.ActionView) string {
	if a.State != actuators.Proposed && a.State != actuators.Waiting || a.Held == nil {
		return a.Reason
	}
	text := v.held(*a.Held)
	if a.Held.By == policy.HeldByApproval {
		text += "; engramd approve " + a.ID
	}
	return text
}

// Releases writes what release did.
func (v View) Releases(w io.Writer, rs []api.ReleaseView) error {
	p := &page{}
	if len(rs) == 0 {
		p.line("Nothing to give back: engramd has changed nothing here.")
	}
	var rows [][]string
	for _, r := range rs {
		done := "no"
		if r.Done {
			done = "yes"
		}
		rows = append(rows, []string{r.Target, string(r.Resource), change(r.Resource, r.From, r.To), done, r.Detail})
	}
	p.table("", []string{"TARGET", "RESOURCE", "CHANGE", "DONE", "DETAIL"}, rows)
	return p.to(w)
}
