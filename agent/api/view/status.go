package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// Status writes how the agent and its targets are.
func (v View) Status(w io.Writer, s api.Status) error {
	v.Now = s.Now
	p := &page{}
	p.line("engramd %s, pid %d, up %s, mode %s, config %s, data in %s", s.Version, s.PID, v.ago(s.StartedAt), s.Mode, s.Config.Path, s.DataDir)
	v.sources(p, s)
	switch n := s.Node; {
	case n != nil && n.Ended == "":
		p.line("memory node: %s", n.URL)
	case n != nil:
		p.line("memory node: ended: %s", n.Ended)
	}
	if s.NotReady != "" {
		p.line("not ready: %s", s.NotReady)
	}
	for _, t := range s.Troubles {
		p.line("trouble: %s", t)
	}
	if s.Config.Refused != "" {
		p.line("the last reload was refused: %s", s.Config.Refused)
	}
	if s.Pause != nil {
		p.line("everything is paused%s", v.pause(*s.Pause))
	}
	if len(s.Targets) == 0 {
		p.title("No targets: engramd init writes an agent.yaml for what it finds here.")
		return p.to(w)
	}
	v.targets(p, s.Targets)
	v.policies(p, s.Targets)
	v.openActions(p, s.Targets)
	v.notes(p, s.Targets)
	return p.to(w)
}

// sources says where samples come from and whether they come.
func (v View) sources(p *page, s api.Status) {
	text := fmt.Sprintf("metrics: %s, every %s", s.Metrics.Source, length(time.Duration(s.Metrics.IntervalSeconds*float64(time.Second))))
	up := 0
	var down []string
	for _, one := range s.Metrics.Scrapes {
		if one.Up {
			up++
		} else {
			down = append(down, one.URL+" ("+or(one.Error, "not scraped yet")+")")
		}
	}
	if n := len(s.Metrics.Scrapes); n > 0 {
		text += fmt.Sprintf("; %d of %s answer", up, addresses(n))
	}
	if s.Loop.LastAt.IsZero() {
		text += "; no round of deciding yet"
	} else {
		text += fmt.Sprintf("; last round %s ago, took %.3gs", v.ago(s.Loop.LastAt), s.Loop.DurationSeconds)
	}
	p.line("%s", text)
	if len(down) > 0 {
		p.line("no answer: %s", strings.Join(down, ", "))
	}
}

// pause writes until when, by whom and why.
func (v View) pause(p api.PauseView) string {
	text := " until resumed"
	if !p.Until.IsZero() {
		text = " until " + v.until(p.Until)
	}
	if p.By != "" {
		text += ", by " + p.By
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// targets writes a line for each resource of each target.
func (v View) targets(p *page, targets []api.TargetStatus) {
	var rows [][]string
	for _, t := range targets {
		front := []string{t.Name, string(t.State), string(t.Mode)}
		if len(t.Resources) == 0 {
			rows = append(rows, append(front, "-", "-", "-", "-", t.Platform))
		}
		for _, r := range t.Resources {
			rows = append(rows, append(front, v.resource(r)...))
			front = []string{"", "", ""}
		}
	}
	p.WriteByte('\n')
	p.table("", []string{"TARGET", "STATE", "MODE", "RESOURCE", "SIZE", "USED", "ALLOWED", "NOTE"}, rows)
}

func (v View) resource(r api.ResourceStatus) []string {
	size := r.Resource.Format(r.Effective)
	if r.Desired != r.Effective && !r.Desired.IsUnset() {
		size += " -> " + r.Resource.Format(r.Desired)
	}
	used := "-"
	if r.Used != nil {
		used = r.Resource.Format(policy.Amount(*r.Used))
	}
	allowed := "any"
	if !r.Min.IsUnset() || !r.Max.IsUnset() {
		allowed = fmt.Sprintf("%s to %s", bound(r.Resource, r.Min, "0"), bound(r.Resource, r.Max, "any"))
	}
	var notes []string
	if r.Freeze != nil {
		notes = append(notes, "frozen: "+or(r.Freeze.Reason, "no reason given"))
	}
	if !r.Configured.IsUnset() && r.Configured != r.Effective {
		notes = append(notes, "configured as "+r.Resource.Format(r.Configured))
	}
	if r.CooldownUp.After(v.Now) {
		notes = append(notes, "growth free "+v.until(r.CooldownUp))
	}
	if r.CooldownDown.After(v.Now) {
		notes = append(notes, "decrease free "+v.until(r.CooldownDown))
	}
	if !r.Original.IsUnset() && r.Original != r.Effective {
		notes = append(notes, "was "+r.Resource.Format(r.Original)+" before engramd")
	}
	return []string{string(r.Resource), size, used, allowed, strings.Join(notes, "; ")}
}

func bound(r policy.Resource, q policy.Quantity, none string) string {
	if q.IsUnset() {
		return none
	}
	return r.Format(q)
}

// policies writes what each policy says now.
func (v View) policies(p *page, targets []api.TargetStatus) {
	var rows [][]string
	for _, t := range targets {
		for _, one := range t.Policies {
			says := or(string(one.Verdict), "nothing yet")
			switch {
			case one.Condition == "":
			case one.Row < 0:
				says += " (" + one.Condition + ")"
			default:
				says += fmt.Sprintf(" (row %d: %s)", one.Row, one.Condition)
			}
			rows = append(rows, []string{one.Name, t.Name, says, v.ago(one.Since), readings(one.Readings), one.Why})
		}
	}
	if len(rows) > 0 {
		p.WriteByte('\n')
		p.table("", []string{"POLICY", "TARGET", "SAYS", "FOR", "READS", "WHY"}, rows)
	}
}

// readings writes signals in short.
func readings(all []policy.Reading) string {
	var parts []string
	for _, r := range all {
		if r.Known {
			parts = append(parts, r.Signal+"="+number(r.Value))
		} else {
			parts = append(parts, r.Signal+"=unknown")
		}
	}
	return or(strings.Join(parts, " "), "-")
}

// openActions writes what is under way, and how to answer what waits for a person.
func (v View) openActions(p *page, targets []api.TargetStatus) {
	var open []api.ActionView
	for _, t := range targets {
		open = append(open, t.Actions...)
	}
	if len(open) > 0 {
		p.WriteByte('\n')
		v.actionTable(p, open)
	}
}

// notes writes a sentence for each target that has more to say.
func (v View) notes(p *page, targets []api.TargetStatus) {
	var rows [][]string
	for _, t := range targets {
		add := func(text string) { rows = append(rows, []string{t.Name, text}) }
		if t.Detail != "" {
			add(string(t.State) + ": " + t.Detail)
		}
		if t.Runtime != "" {
			add("runs " + t.Runtime)
		}
		if t.Pause != nil {
			add("paused" + v.pause(*t.Pause))
		}
		if h := t.Holder; h != nil && t.Detail == "" {
			add(fmt.Sprintf("held by the engramd with pid %d and data_dir %s since %s", h.PID, or(h.DataDir, "unknown"), v.clock(h.Since)))
		}
		if b := t.Budget; b != nil {
			add(fmt.Sprintf("budget left: %d of %d this hour, %d of %d today, %d of %d emergencies",
				b.HourLeft, b.HourOf, b.DayLeft, b.DayOf, b.EmergenciesLeft, b.EmergenciesOf))
		}
		if m := t.Window; m != nil {
			add(v.window(*m))
		}
	}
	if len(rows) > 0 {
		p.WriteByte('\n')
		p.table("", nil, rows)
	}
}

func (v View) window(m api.WindowView) string {
	if !m.Start.After(v.Now) {
		return fmt.Sprintf("maintenance window %s is open until %s", m.Name, v.until(m.End))
	}
	return fmt.Sprintf("next maintenance window: %s at %s, for %s", m.Name, v.until(m.Start), length(m.End.Sub(m.Start)))
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
