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
	return parts(w, all, "No targets: nothing is looked after.", v.diagnosis)
}

func (v View) diagnosis(p *page, d api.DiagnosisView) {
	p.line("%s: %s", d.Target, d.Summary)
	p.line("looked at %s to %s (%s)", v.clock(d.From), v.clock(d.To), length(d.To.Sub(d.From)))
	findings(p, "CAUSE", d.Causes)
	if slices.ContainsFunc(d.Work, func(f diagnose.Finding) bool { return len(f.For)+len(f.Against) > 0 }) {
		findings(p, "WORK", d.Work)
	}
	remedies(p, d)
	untold(p, d)
}

// findings is a table with the weightiest evidence on each side.
func findings(p *page, of string, list []diagnose.Finding) {
	var rows [][]string
	for _, f := range list {
		rows = append(rows, []string{f.Title, string(f.Verdict), heaviest(f.For), heaviest(f.Against)})
	}
	p.WriteByte('\n')
	p.table("", []string{of, "VERDICT", "FOR IT", "AGAINST IT"}, rows)
}

func heaviest(list []diagnose.Evidence) string {
	if len(list) == 0 {
		return "-"
	}
	return list[0].Text
}

// remedies writes what to do about what is likely, and where nothing is, about what is possible.
func remedies(p *page, d api.DiagnosisView) {
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
func untold(p *page, d api.DiagnosisView) {
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
