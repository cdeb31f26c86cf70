package view

import (
	"io"
	"slices"
	"strings"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy/diagnose"
)

// Diagnoses writes what holds each target back: the verdict in one line, then every cause with its
// weightiest evidence, then what to do about it.
func (v View) Diagnoses(w io.Writer, all []api.DiagnosisView) error {
	p := &page{}
	if len(all) == 0 {
		p.line("No targets: nothing is looked after.")
	}
	for i, d := range all {
		if i > 0 {
			p.line("")
		}
		v.diagnosis(p, d)
	}
	return p.to(w)
}

func (v View) diagnosis(p *page, d api.DiagnosisView) {
	p.line("%s: %s", d.Target, d.Summary)
	p.line("measured from %s to %s (%s)", v.clock(d.From), v.clock(d.To), length(d.To.Sub(d.From)))
	p.WriteByte('\n')
	p.table("", []string{"CAUSE", "VERDICT", "FOR IT", "AGAINST IT"}, findings(d.Causes))
	if slices.ContainsFunc(d.Work, func(f diagnose.Finding) bool { return len(f.For)+len(f.Against) > 0 }) {
		p.WriteByte('\n')
		p.table("", []string{"WORK", "VERDICT", "FOR IT", "AGAINST IT"}, findings(d.Work))
	}
	v.remedies(p, d)
	v.untold(p, d)
}

// findings are rows of a table: the weightiest evidence on each side.
func findings(list []diagnose.Finding) [][]string {
	var rows [][]string
	for _, f := range list {
		rows = append(rows, []string{f.Title, string(f.Verdict), heaviest(f.For), heaviest(f.Against)})
	}
	return rows
}

func heaviest(list []diagnose.Evidence) string {
	if len(list) == 0 {
		return "-"
	}
	return list[0].Text
}

// remedies writes what to do about what is likely, and where nothing is, about what is possible.
func (v View) remedies(p *page, d api.DiagnosisView) {
	all := slices.Concat(d.Causes, d.Work)
	for _, verdict := range []diagnose.Verdict{diagnose.Likely, diagnose.Possible} {
		var rows [][]string
		for _, f := range all {
			if f.Verdict == verdict {
				rows = append(rows, []string{f.Title, f.Remedy})
			}
		}
		if len(rows) == 0 {
			continue
		}
		p.title("What to do")
		p.table("  ", nil, rows)
		return
	}
}

// untold writes what would tell more, and about which of the causes that are not decided.
func (v View) untold(p *page, d api.DiagnosisView) {
	about := map[string][]string{}
	var order []string
	for _, f := range d.Causes {
		if f.Verdict != diagnose.Unknown && f.Verdict != diagnose.Possible {
			continue
		}
		for _, m := range f.Missing {
			if about[m] == nil {
				order = append(order, m)
			}
			about[m] = append(about[m], f.Title)
		}
	}
	if len(order) == 0 {
		return
	}
	p.title("Not known")
	for _, m := range order {
		p.line("  %s (%s)", m, strings.Join(about[m], ", "))
	}
}
