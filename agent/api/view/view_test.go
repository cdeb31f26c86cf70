package view_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/api/view"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden texts anew")

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A text is one golden text: testdata/<name>.txt.
type text func(v view.View, w io.Writer) error

func TestTexts(t *testing.T) {
	tests := map[string]text{
		"status":          func(v view.View, w io.Writer) error { return v.Status(w, status()) },
		"status_troubled": func(v view.View, w io.Writer) error { return v.Status(w, troubled()) },
		"status_empty": func(v view.View, w io.Writer) error {
			return v.Status(w, api.Status{Version: "0.1.0", Now: noon, StartedAt: noon})
		},
		"decisions":        func(v view.View, w io.Writer) error { return v.Decisions(w, decisions()) },
		"decisions_none":   func(v view.View, w io.Writer) error { return v.Decisions(w, nil) },
		"actions":          func(v view.View, w io.Writer) error { return v.Actions(w, []api.ActionView{rolledBack(), waiting()}) },
		"actions_none":     func(v view.View, w io.Writer) error { return v.Actions(w, nil) },
		"diagnoses":        func(v view.View, w io.Writer) error { return v.Diagnoses(w, locked()) },
		"diagnoses_none":   func(v view.View, w io.Writer) error { return v.Diagnoses(w, nil) },
		"plans":            func(v view.View, w io.Writer) error { return v.Plans(w, plans()) },
		"plans_none":       func(v view.View, w io.Writer) error { return v.Plans(w, nil) },
		"releases":         func(v view.View, w io.Writer) error { return v.Releases(w, releases()) },
		"releases_none":    func(v view.View, w io.Writer) error { return v.Releases(w, nil) },
		"explain_rollback": func(v view.View, w io.Writer) error { return v.Explain(w, explanation(rolledBack())) },
		"explain_waiting":  func(v view.View, w io.Writer) error { return v.Explain(w, explanation(waiting())) },
		"explain_refused": func(v view.View, w io.Writer) error {
			return v.Explain(w, api.Explanation{Now: noon, Decision: decisions()[1]})
		},
		"explain_blind": func(v view.View, w io.Writer) error {
			return v.Explain(w, api.Explanation{Now: noon, Decision: blind()})
		},
		"explain_restart_docker":     func(v view.View, w io.Writer) error { return v.Explain(w, restartedDocker()) },
		"explain_restart_kubernetes": func(v view.View, w io.Writer) error { return v.Explain(w, restartedKubernetes()) },
		"explain_restart_systemd":    func(v view.View, w io.Writer) error { return v.Explain(w, restartedSystemd()) },
		"explain_operation":          func(v view.View, w io.Writer) error { return v.Explain(w, operation()) },
	}
	for name, write := range tests {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(view.View{Now: noon}, &got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".txt")
			if *rewrite {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every end of an action has a sentence of its own.
func TestStories(t *testing.T) {
	tests := map[actuators.ActionState]string{
		actuators.Waiting:      "engramd wants to change cpu of engram, 2 cores -> 4 cores.",
		actuators.Applying:     "engramd is changing cpu of engram, 2 cores -> 4 cores: applying now.",
		actuators.Validating:   "engramd raised cpu of engram from 2 cores to 4 cores while it ran and is watching whether it helps.",
		actuators.Committed:    "engramd raised cpu of engram from 2 cores to 4 cores while it ran, and it stays so: why.",
		actuators.Insufficient: "engramd raised cpu of engram from 2 cores to 4 cores while it ran. It is needed and not enough: why.",
		actuators.Kept:         "engramd raised cpu of engram from 2 cores to 4 cores while it ran and could not safely take it back: why. A person should look.",
		actuators.Inconclusive: "engramd raised cpu of engram from 2 cores to 4 cores while it ran. Whether it helped could not be told, so it stays: why.",
		actuators.Superseded:   "engramd raised cpu of engram from 2 cores to 4 cores while it ran; something else took over: why.",
		actuators.RollingBack:  "engramd raised cpu of engram from 2 cores to 4 cores while it ran and is taking it back: why.",
		actuators.RolledBack:   "engramd raised cpu of engram from 2 cores to 4 cores while it ran and took it back: why.",
		actuators.Failed:       "engramd tried to change cpu of engram, 2 cores -> 4 cores, and failed: why. A person is needed; it is frozen until then.",
		actuators.Cancelled:    "Nothing was done about cpu of engram, 2 cores -> 4 cores: the action was cancelled: why.",
		actuators.Rejected:     "Nothing was done about cpu of engram, 2 cores -> 4 cores: the action was rejected: why.",
		actuators.Expired:      "Nothing was done about cpu of engram, 2 cores -> 4 cores: the action expired: why.",
	}
	for state, want := range tests {
		x := explanation(rolledBack())
		x.Action.State, x.Action.RetryAfter, x.Action.Reason, x.Action.Held = state, time.Time{}, "why", nil
		if state == actuators.Waiting || state == actuators.Validating || state == actuators.Applying {
			x.Action.Reason = ""
		}
		var got bytes.Buffer
		if err := (view.View{}).Explain(&got, x); err != nil {
			t.Fatal(err)
		}
		line, _, _ := bytes.Cut(got.Bytes(), []byte("\n"))
		if string(line) != want {
			t.Errorf("%s:\n got %s\nwant %s", state, line, want)
		}
	}
}

func TestNamesCannotSteerATerminal(t *testing.T) {
	d := decisions()[0]
	d.Target, d.Why, d.Losers[0].Reason = "evil\x1b[2J\tname", "one\nForged", "two\nForged"
	var got bytes.Buffer
	if err := (view.View{Now: noon}).Decisions(&got, []policy.Decision{d}); err != nil {
		t.Fatal(err)
	}
	if err := (view.View{Now: noon}).Explain(&got, api.Explanation{Now: noon, Decision: d}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(got.Bytes(), []byte("\nForged")) {
		t.Error("a line was forged")
	}
	for _, r := range got.String() {
		if unicode.IsControl(r) && r != '\n' {
			t.Fatalf("%q got through", r)
		}
	}
}

func TestTimesAreToldInTheZoneOfThePerson(t *testing.T) {
	berlin := time.FixedZone("berlin", 3600)
	var got bytes.Buffer
	if err := (view.View{Now: noon, Zone: berlin}).Decisions(&got, decisions()[:1]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(got.Bytes(), []byte("12:59:55")) {
		t.Errorf("got %s", got.String())
	}
}
