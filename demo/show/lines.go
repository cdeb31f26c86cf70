package show

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Lines says what is new in next since last, a line each, for a log or a pipe.
func Lines(last, next State) []string {
	w := &teller{at: next.Elapsed}
	if last.Where == "" && next.Where != "" {
		w.say("", "%s", next.Where)
	}
	w.phases(last, next)
	if next.Note != "" && next.Note != last.Note {
		w.say("load", "%s", next.Note)
	}
	for i, r := range next.Rows {
		if r.Acts && (i >= len(last.Rows) || last.Rows[i].Condition != r.Condition) {
			w.say("row", "%s: %s: %s (%s)", r.Policy, r.Condition, r.Verdict, values(next.Signals))
		}
	}
	before := map[string]Action{}
	for _, a := range last.Actions {
		before[a.ID] = a
	}
	for _, a := range next.Actions {
		w.action(before[a.ID], a)
	}
	if next.Trouble != "" && next.Trouble != last.Trouble {
		w.say("trouble", "%s", next.Trouble)
	}
	return w.lines
}

// A teller writes lines of one moment.
type teller struct {
	at    time.Duration
	lines []string
}

func (w *teller) say(kind, format string, args ...any) {
	head := fmt.Sprintf("%5.1fs  ", w.at.Seconds())
	if kind != "" {
		head += fmt.Sprintf("%-9s ", kind)
	}
	w.lines = append(w.lines, head+clean(fmt.Sprintf(format, args...)))
}

func (w *teller) phases(last, next State) {
	for i, p := range next.Phases {
		was := Ahead
		if i < len(last.Phases) {
			was = last.Phases[i].Stage
		}
		switch {
		case p.Stage == was:
		case p.Stage == Running:
			w.say("phase", "%s", p.Name)
		case p.Stage == Failed:
			w.say("phase", "%s: what it is for did not happen", p.Name)
		}
	}
}

func (w *teller) action(was, a Action) {
	if was.ID == "" {
		w.say("decided", "%s (%s) because %s", a.What, a.ID, a.Because)
	}
	for _, c := range a.Checks[min(len(was.Checks), len(a.Checks)):] {
		w.say("effect", "%s: %s", a.What, c.Text)
	}
	if a.Diagnosis != "" && was.Diagnosis == "" {
		w.say("diagnosis", "%s: %s", a.What, a.Diagnosis)
	}
	if a.State == was.State {
		return
	}
	if a.Stage == Running {
		w.say("action", "%s: %s", a.What, a.State)
		return
	}
	w.say("action", "%s: %s: %s", a.What, a.State, a.Reason)
}

// values lists the newest value of every signal.
func values(signals []Signal) string {
	var said []string
	for _, g := range signals {
		if n := len(g.History); n > 0 && !math.IsNaN(g.History[n-1]) {
			said = append(said, g.Name+" "+g.now())
		}
	}
	return strings.Join(said, ", ")
}
