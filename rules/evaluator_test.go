package rules_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/rules"
)

// A world answers every query with one series a target, or an error.
type world struct {
	mu   sync.Mutex
	load map[string]float64
	err  error
	told []string
}

func (w *world) notify(_ context.Context, alerts []rules.Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range alerts {
		w.told = append(w.told, a.Labels["target"]+" "+a.State)
	}
}

func (w *world) set(target string, v float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.load == nil {
		w.load = map[string]float64{}
	}
	w.load[target] = v
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// query answers "load > 1".
func (w *world) query(_ context.Context, _ string, at time.Time) (promql.Vector, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, w.err
	}
	var v promql.Vector
	for target, load := range w.load {
		if load > 1 {
			v = append(v, promql.Sample{T: at.UnixMilli(), F: load, Metric: labels.FromStrings("target", target)})
		}
	}
	return v, nil
}

const ruleText = `
groups:
  - name: g
    interval: 30s
    rules:
      - {alert: Load, expr: load > 1, for: 2m, keep_firing_for: 1m, labels: {severity: warning}, annotations: {d: "{{ $labels.target }} {{ $value | humanize1024 }} {{ 0.5 | humanizePercentage }}"}}
`

func load(t *testing.T, text string) *rules.File {
	t.Helper()
	f, err := rules.Load("r.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openStore(t *testing.T, dir string) *tsdb.DB {
	t.Helper()
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// run starts an evaluator over db; stop ends it and closes db.
func run(t *testing.T, w *world, db *tsdb.DB, files ...*rules.File) (e *rules.Evaluator, stop func()) {
	t.Helper()
	e, err := rules.New(rules.Options{Query: w.query, Appendable: db, Queryable: db, Notify: w.notify}, files)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return e, sync.OnceFunc(func() {
		cancel()
		group.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// look waits d and describes the alerts.
func look(e *rules.Evaluator, d time.Duration) string {
	time.Sleep(d)
	synctest.Wait()
	var lines []string
	for _, a := range e.Alerts() {
		state := a.State
		if !a.KeptSince.IsZero() {
			state += " kept"
		}
		if a.Err != nil {
			state += " blind: " + a.Err.Error()
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", a.Name, a.Labels["target"], state))
	}
	return strings.Join(lines, "; ")
}

func TestEvaluator(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		e, stop := run(t, w, openStore(t, dir), load(t, ruleText))
		defer stop()
		expect := func(what string, after time.Duration, want string) {
			t.Helper()
			if got := look(e, after); got != want {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		expect("calm", 5*time.Minute, "")
		w.set("a", 2048)
		expect("the condition holds", time.Minute, "Load a pending")
		expect("it held for its time", 2*time.Minute, "Load a firing")
		first := e.Alerts()[0]
		want := map[string]string{"alertname": "Load", "severity": "warning", "target": "a"}
		if diff := cmp.Diff(want, first.Labels); diff != "" {
			t.Error(diff)
		}
		if first.Annotations["d"] != "a 2ki 50%" || first.Value != 2048 || first.FiredAt.Sub(first.ActiveAt) != 2*time.Minute {
			t.Errorf("got %+v", first)
		}
		w.set("b", 3)
		expect("another series has its own clock", time.Minute, "Load a firing; Load b pending")
		w.fail(errors.New("no answer"))
		expect("a failing query keeps the state and says so", time.Minute, "Load a firing blind: no answer; Load b pending blind: no answer")
		w.fail(nil)
		w.set("b", 0)
		expect("pending ends at once", time.Minute, "Load a firing")
		w.set("a", 0)
		expect("firing is kept", 40*time.Second, "Load a firing kept")
		expect("and ends", 90*time.Second, "")
		w.set("a", 2)
		expect("it comes back", 4*time.Minute, "Load a firing")
		if again := e.Alerts()[0]; again.Episode == first.Episode {
			t.Errorf("episode %s twice", again.Episode)
		}
		if diff := cmp.Diff([]string{"a firing", "a resolved", "a firing"}, w.told); diff != "" {
			t.Error(diff)
		}
	})
}

// A restart goes on with `for` where it was, and an alert that was firing is the same episode.
func TestEvaluatorRestart(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		e, stop := run(t, w, openStore(t, dir), load(t, ruleText))
		defer stop()
		time.Sleep(3 * time.Minute)
		w.set("old", 2)
		time.Sleep(4 * time.Minute)
		w.set("new", 2)
		if got := look(e, time.Minute+45*time.Second); got != "Load old firing; Load new pending" {
			t.Fatalf("before: %q", got)
		}
		before := e.Alerts()[0]
		stop()
		time.Sleep(10 * time.Minute)

		e, stop = run(t, w, openStore(t, dir), load(t, ruleText))
		defer stop()
		if got := look(e, 45*time.Second); got != "Load old pending; Load new pending" {
			t.Errorf("not yet restored: %q", got)
		}
		if got := look(e, time.Minute); got != "Load old firing; Load new firing" {
			t.Errorf("restored: %q", got)
		}
		if after := e.Alerts()[0]; after.Episode != before.Episode {
			t.Errorf("episode %s, before the restart %s", after.Episode, before.Episode)
		}
	})
}

// Without `for` the library fires before it has looked at what was: that must not be a new episode.
func TestEvaluatorRestartWithoutFor(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	text := strings.Replace(ruleText, "for: 2m, keep_firing_for: 1m, ", "", 1)
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.set("a", 2)
		e, stop := run(t, w, openStore(t, dir), load(t, text))
		defer stop()
		if got := look(e, 2*time.Minute); got != "Load a firing" {
			t.Fatalf("before: %q", got)
		}
		episode := e.Alerts()[0].Episode
		stop()
		e, stop = run(t, w, openStore(t, dir), load(t, text))
		defer stop()
		for range 20 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			for _, a := range e.Alerts() {
				if a.State == rules.Firing && a.Episode != episode {
					t.Fatalf("firing in episode %s, before the restart %s", a.Episode, episode)
				}
			}
		}
		if got := look(e, 0); got != "Load a firing" {
			t.Errorf("after: %q", got)
		}
	})
}

func TestEvaluatorUpdate(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.set("a", 2)
		e, stop := run(t, w, openStore(t, dir), load(t, ruleText))
		defer stop()
		if got := look(e, 4*time.Minute); got != "Load a firing" {
			t.Fatalf("got %q", got)
		}
		other := strings.NewReplacer("name: g", "name: h", "alert: Load", "alert: Other").Replace(ruleText)
		f, err := rules.Load("other.yaml", []byte(other))
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Update([]*rules.File{load(t, ruleText), f}); err != nil {
			t.Fatal(err)
		}
		if got := look(e, time.Minute); got != "Load a firing; Other a pending" {
			t.Errorf("a file more: %q", got)
		}
		if err := e.Update([]*rules.File{f, f}); err == nil || err.Error() != "evaluate rules: other.yaml is there twice" {
			t.Errorf("twice the same: %v", err)
		}
		if n := len(e.AlertingRules()); n != 2 {
			t.Errorf("a refused update left %d rules", n)
		}
		if err := e.Update(nil); err != nil {
			t.Fatal(err)
		}
		if got := look(e, 2*time.Minute); got != "" {
			t.Errorf("no files: %q", got)
		}
		stop()
		if e.Alerts() != nil || e.RuleGroups() != nil || e.AlertingRules() != nil {
			t.Error("a stopped evaluator shows something")
		}
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := rules.New(rules.Options{}, nil); err == nil {
		t.Error("no query, no storage: no error")
	}
}
