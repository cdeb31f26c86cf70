package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/api/view"
	"github.com/engramd/engramd/demo/show"
)

// A Summary is what happened in a demo, read from the agent's journal.
type Summary struct {
	Seconds float64 `json:"seconds"`
	// DataDir has the journal, with which `engramd explain --data-dir` tells of every id.
	DataDir string `json:"data_dir"`
	// Complete says that everything happened that the demo is for.
	Complete bool   `json:"complete"`
	Parts    []Part `json:"parts"`
}

// A Part is one thing that the demo is for.
type Part struct {
	What     string `json:"what"`
	Happened bool   `json:"happened"`
	// Why says what stood against it, "" if it happened.
	Why string `json:"why,omitempty"`

	Action    string `json:"action,omitempty"` // id
	Change    string `json:"change,omitempty"`
	Outcome   string `json:"outcome,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Diagnosis string `json:"diagnosis,omitempty"`

	explanation api.Explanation
}

// summarize asks the agent what became of everything, while it still runs.
func (d *director) summarize(ctx context.Context) (Summary, error) {
	s := Summary{DataDir: d.stage.place.Dir, Seconds: time.Since(d.began).Round(100 * time.Millisecond).Seconds(), Complete: true}
	for _, p := range d.story {
		if p.until == nil {
			continue
		}
		part := Part{What: p.until.what}
		a := p.until.in(d.watch.actions)
		if a == nil {
			s.Complete = false
			part.Why = d.whyNot(ctx, p.until)
			s.Parts = append(s.Parts, part)
			continue
		}
		part.Happened, part.Action, part.Change, part.Outcome = true, a.ID, change(*a), string(a.State)
		var err error
		if part.explanation, err = d.watch.agent.Explain(ctx, a.ID); err != nil {
			return s, fmt.Errorf("explain %s: %w", a.ID, err)
		}
		part.Reason, part.Diagnosis = named(a.Reason, part.explanation.Decision), a.Diagnosis
		s.Parts = append(s.Parts, part)
	}
	return s, nil
}

// whyNot says what stood against an outcome: how the last action of its kind ended, what holds the change, or
// that no row asked for one.
func (d *director) whyNot(ctx context.Context, o *outcome) string {
	helped := growth.in(d.watch.actions) // it is told of already
	for i := len(d.watch.actions) - 1; i >= 0; i-- {
		if a := d.watch.actions[i]; o.resource(a.Resource) && (helped == nil || a.ID != helped.ID) {
			return strings.TrimRight(fmt.Sprintf("%s (%s) is %s: %s", change(a), a.ID, a.State, d.state.Actions[i].Reason), ": ")
		}
	}
	plans, err := d.watch.agent.Plan(ctx, "")
	if err != nil {
		return err.Error()
	}
	for _, p := range plans {
		switch {
		case !o.resource(p.Resource):
		case p.Refused != "":
			return fmt.Sprintf("%s was refused: %s", p.Resource, p.Refused)
		case p.Held != nil:
			return fmt.Sprintf("%s was held: %s", p.Resource, p.Held.Text)
		}
	}
	var seen []string
	for _, r := range d.state.Rows {
		seen = append(seen, fmt.Sprintf("%s: %s, %s", r.Policy, r.Condition, r.Verdict))
	}
	return "no row asked for it in its time (" + strings.Join(seen, "; ") + ")"
}

// columns is how wide the summary is for people.
const columns = 100

// Text writes the summary for people, with whole explanations if they are wanted.
func (s Summary) Text(w io.Writer, explain bool, v view.View) error {
	var b strings.Builder
	verdict := "everything happened that it is for"
	if !s.Complete {
		verdict = "not everything happened that it is for"
	}
	fmt.Fprintf(&b, "engramd demo: %.0f s; %s\n", s.Seconds, verdict)
	for _, p := range s.Parts {
		if !p.Happened {
			fmt.Fprintf(&b, "\n  did not happen: %s\n", p.What)
			b.WriteString(show.Wrap("      ", p.Why, columns))
			continue
		}
		fmt.Fprintf(&b, "\n  %s: %s\n", p.Outcome, p.Change)
		b.WriteString(show.Wrap("      ", p.Reason, columns))
		if p.Diagnosis != "" {
			b.WriteString(show.Wrap("      ", "diagnosis: "+p.Diagnosis, columns))
		}
		fmt.Fprintf(&b, "      engramd explain --data-dir %s %s\n", s.DataDir, p.Action)
	}
	fmt.Fprintf(&b, "\nThe journal, the events and the agent's log stay in\n  %s\nuntil you remove them.\n", s.DataDir)
	if _, err := io.WriteString(w, b.String()); err != nil || !explain {
		return err
	}
	for _, p := range s.Parts {
		if !p.Happened {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n--- %s ---\n", p.Action); err != nil {
			return err
		}
		if err := v.Explain(w, p.explanation); err != nil {
			return err
		}
	}
	return nil
}

// err is nil if everything happened, and says what did not.
func (s Summary) err() error {
	if s.Complete {
		return nil
	}
	var missing []string
	for _, p := range s.Parts {
		if !p.Happened {
			missing = append(missing, p.What)
		}
	}
	return fmt.Errorf("%w: %s", ErrIncomplete, strings.Join(missing, "; "))
}
