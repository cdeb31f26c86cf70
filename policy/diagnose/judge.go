package diagnose

import (
	"slices"
	"strconv"
)

// A Verdict is what the evidence allows to say of a cause.
type Verdict string

// The verdicts.
const (
	Likely   Verdict = "likely"
	Possible Verdict = "possible"
	Unknown  Verdict = "unknown"
	RuledOut Verdict = "ruled out"
)

// rank orders verdicts: more likely is more.
func (v Verdict) rank() int {
	return slices.Index([]Verdict{RuledOut, Unknown, Possible, Likely}, v)
}

// A tally adds up what speaks for a cause and against it.
type tally struct{ pro, contra int }

// verdict never rises with what speaks against.
func (t tally) verdict(bar int) Verdict {
	net := t.pro - t.contra
	switch {
	case net >= bar:
		return Likely
	case t.pro > 0 && net >= 0:
		return Possible
	case t.contra >= 2:
		return RuledOut
	}
	return Unknown
}

// Evidence is one measure that says something about a cause.
type Evidence struct {
	Measure Measure `json:"measure"`
	Value   float64 `json:"value"`
	// Text is the sentence, Bound what the value was held against and Source whose bound that is.
	Text   string `json:"text"`
	Bound  string `json:"bound"`
	Source string `json:"source"`
}

// judge holds one cause against the evidence.
func judge(of trait, e evidence) (Finding, tally) {
	f := Finding{Cause: of.cause, Title: of.title, Remedy: of.remedy}
	var t tally
	for _, r := range heaviest(of.cause, e) {
		one := Evidence{Measure: r.measure, Value: e[r.measure], Text: measures[r.measure].say(e[r.measure]), Bound: r.bound(), Source: r.source}
		switch {
		case r.says > 0:
			t.pro += int(r.says)
			f.For = append(f.For, one)
		default:
			t.contra -= int(r.says)
			f.Against = append(f.Against, one)
		}
	}
	for _, m := range of.needs {
		if _, ok := e[m]; !ok {
			f.Missing = append(f.Missing, measures[m].hint)
		}
	}
	slices.Sort(f.Missing)
	f.Missing = slices.Compact(f.Missing)
	f.Verdict = t.verdict(of.bar)
	return f, t
}

// heaviest returns the rules of a cause that hold: the heaviest first, one a measure and side.
func heaviest(c Cause, e evidence) []rule {
	type key struct {
		measure Measure
		against bool
	}
	best := map[key]rule{}
	var order []key
	for _, r := range rules {
		v, ok := e[r.measure]
		if r.cause != c || !ok || v < r.from || v >= r.to {
			continue
		}
		k := key{r.measure, r.says < 0}
		have, ok := best[k]
		if !ok {
			order = append(order, k)
		}
		if !ok || r.says.size() > have.says.size() {
			best[k] = r
		}
	}
	var out []rule
	for _, k := range order {
		out = append(out, best[k])
	}
	slices.SortStableFunc(out, func(a, b rule) int { return b.says.size() - a.says.size() })
	return out
}

func (w weight) size() int { return max(int(w), -int(w)) }

// bound writes what a value was held against.
func (r rule) bound() string {
	switch {
	case r.to == inf:
		return "from " + exact(r.from) + " on"
	case r.from == 0:
		return "below " + exact(r.to)
	}
	return exact(r.from) + " to " + exact(r.to)
}

func exact(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
