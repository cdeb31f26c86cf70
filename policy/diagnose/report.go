package diagnose

import (
	"cmp"
	"slices"
	"strings"
)

// A Finding is what is to be said of one cause.
type Finding struct {
	Cause   Cause   `json:"cause"`
	Title   string  `json:"title"`
	Verdict Verdict `json:"verdict"`
	// For and Against hold the weightiest evidence first.
	For     []Evidence `json:"for,omitempty"`
	Against []Evidence `json:"against,omitempty"`
	// Missing says what would tell more.
	Missing []string `json:"missing,omitempty"`
	Remedy  string   `json:"remedy"`
}

// A Report is a diagnosis. Work is what the time goes to, Causes what there is too little of: both the
// likeliest first.
type Report struct {
	Summary string    `json:"summary"`
	Causes  []Finding `json:"causes"`
	Work    []Finding `json:"work"`
}

// judged is a finding with what it was found by.
type judged struct {
	Finding
	tally
}

// precedence orders equal verdicts: what more speaks for, and last the load, which is what is left where
// nothing else is short.
func (j judged) precedence() int {
	if j.Cause == Load {
		return -1000
	}
	return j.pro - j.contra
}

// Diagnose judges every cause by the numbers.
func Diagnose(numbers []Number) Report {
	e := gather(numbers)
	var work, causes []judged
	for _, of := range traits {
		f, t := judge(of, e)
		if of.work {
			work = append(work, judged{f, t})
		} else {
			causes = append(causes, judged{f, t})
		}
	}
	ranked := func(list []judged) []Finding {
		slices.SortStableFunc(list, func(a, b judged) int {
			return cmp.Or(cmp.Compare(b.Verdict.rank(), a.Verdict.rank()), cmp.Compare(b.precedence(), a.precedence()))
		})
		out := make([]Finding, 0, len(list))
		for _, one := range list {
			out = append(out, one.Finding)
		}
		return out
	}
	r := Report{Causes: ranked(causes), Work: ranked(work)}
	r.Summary = "nothing was measured"
	if len(e) > 0 {
		r.Summary = r.summary()
	}
	return r
}

// Likely returns the causes that are likely.
func (r Report) Likely() []Finding { return with(r.Causes, Likely) }

// Cause returns the finding on a cause.
func (r Report) Cause(c Cause) (Finding, bool) {
	for _, f := range slices.Concat(r.Causes, r.Work) {
		if f.Cause == c {
			return f, true
		}
	}
	return Finding{}, false
}

func with(list []Finding, v Verdict) []Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return f.Verdict != v })
}

// summary is the report in one line.
func (r Report) summary() string {
	text := ""
	switch likely, possible := r.Likely(), with(r.Causes, Possible); {
	case len(likely) > 0:
		text = named(likely)
	case len(possible) > 0:
		text = "nothing is likely; possible: " + named(possible) + r.untold()
	case len(with(r.Causes, Unknown)) == len(r.Causes):
		text = "what was measured does not tell"
	case r.untold() != "":
		text = "nothing of what was measured holds it back" + r.untold()
	default:
		text = "nothing of what was measured holds it back: it waits for something else (another service, its callers)"
	}
	if work := with(r.Work, Likely); len(work) > 0 {
		text += "; in " + named(work[:1])
	}
	return text
}

// untold names what is unknown, "" if nothing is.
func (r Report) untold() string {
	var out []string
	for _, f := range with(r.Causes, Unknown) {
		out = append(out, f.Title)
	}
	if len(out) == 0 {
		return ""
	}
	return "; unknown: " + strings.Join(out, ", ")
}

// named lists findings, each with its weightiest evidence.
func named(list []Finding) string {
	var out []string
	for _, f := range list {
		text := f.Title
		if len(f.For) > 0 {
			text += " (" + f.For[0].Text + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
