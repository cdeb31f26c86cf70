package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// A world is a fake platform with one service, "app", and an agent that looks after it, in virtual
// time. Its txtar holds agent.yaml and what is to happen, line by line.
type world struct {
	t       *testing.T
	files   map[string]string
	dir     string
	driver  *fake.Driver
	querier *fake.Querier
	alerts  *alarms
	trace   *fake.Trace
	agent   *Agent
	stop    func()
}

// inWorld runs a story in virtual time, and compares what was told with the txtar's "want".
func inWorld(t *testing.T, name string, s fake.Service, story func(w *world)) {
	t.Helper()
	path := filepath.Join("testdata", name+".txtar")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, files: map[string]string{}, dir: t.TempDir(), driver: fake.New(), trace: &fake.Trace{}, alerts: &alarms{}}
		for _, f := range archive.Files {
			w.files[f.Name] = string(f.Data)
		}
		w.querier = w.driver.Querier()
		w.driver.Add("app", s)
		w.start("agent.yaml")
		story(w)
		w.stop()
		w.compare(path, archive)
	})
}

// start runs an agent with a configuration of the archive, over the data of the one before.
func (w *world) start(file string) {
	w.t.Helper()
	cfg, err := config.Parse(file, []byte(w.files[file]), fakeRegistry(w.driver))
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.DataDir = w.dir
	var logged bytes.Buffer
	a, err := newAgent(Options{
		Config: cfg, Registry: fakeRegistry(w.driver), Version: "test", LockDir: filepath.Join(w.dir, "locks"),
		Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.agent = a
	a.sink = quietSink{w.trace}
	a.senses = senseAll{w.querier, w.driver}
	a.alerts = w.alerts
	a.transport = w.driver.Transport()
	a.collect = func(telemetry.Config) error { return nil }
	a.endpoints = func() []telemetry.Endpoint { return nil }
	a.endpoints = func() []telemetry.Endpoint { return nil }
	a.capacity.MemoryBytes = 64 << 30
	a.capacity.Online = make([]int, 8)
	a.parts = []part{{"collector", w.collector}}
	if err := a.assemble(); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.stop = sync.OnceFunc(func() {
		cancel(errors.New("the story is over"))
		running.Wait()
		if err := a.Close(); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			w.t.Log(logged.String())
		}
	})
}

// collector observes the targets at every interval, as telemetry does: a second before the loop's
// tick, so that a golden trace does not depend on who is first.
func (w *world) collector(ctx context.Context) error {
	a := w.agent
	wait := a.opts.Config.Metrics.Interval - time.Second
	for {
		targets, _ := call(ctx, a.inbox, func() ([]*target, error) {
			var all []*target
			for _, name := range a.loop.names() {
				all = append(all, a.loop.targets[name])
			}
			return all, nil
		})
		for _, t := range targets {
			_, _ = t.observer.observe(ctx)
		}
		select {
		case <-time.After(wait):
			wait = a.opts.Config.Metrics.Interval
		case <-ctx.Done():
			return nil
		}
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// note writes down what the story does to the world.
func (w *world) note(text string) { w.trace.Note(time.Now().UTC().Format("15:04:05"), text) }

func (w *world) compare(path string, archive *txtar.Archive) {
	w.t.Helper()
	got := w.trace.String()
	for _, id := range w.ids() {
		got = strings.ReplaceAll(got, id, "ID")
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		for i, f := range archive.Files {
			if f.Name == "want" {
				archive.Files[i].Data = []byte(got)
			}
		}
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(w.files["want"], got); diff != "" {
		w.t.Errorf("%s (-want +got; UPDATE_GOLDEN=1 rewrites it):\n%s", path, diff)
	}
}

// ids are random; a golden trace shows them as ID.
func (w *world) ids() []string {
	var ids []string
	j, err := openJournalOf(w.agent)
	if err != nil {
		w.t.Fatal(err)
	}
	defer j.Close()
	ds, err := j.Decisions(decisionsAll)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range ds {
		ids = append(ids, d.ID)
	}
	as, err := j.Actions(actionsAll)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range as {
		ids = append(ids, a.ID)
	}
	return ids
}

// fakeRegistry knows the fake platform alone.
func fakeRegistry(d *fake.Driver) actuators.Registry {
	return actuators.Registry{fake.Name: {
		NewSpec: func() any { return &fake.Spec{} },
		Check:   func(any) error { return nil },
		Open:    func(*slog.Logger) (actuators.Driver, error) { return d, nil },
	}}
}

// senseAll sees through the model.
type senseAll struct {
	*fake.Querier
	*fake.Driver
}

// ReadBy knows no labels.
func (senseAll) ReadBy(context.Context, string, string, time.Time) map[string]policy.Reading {
	return nil
}

type quietSink struct{ *fake.Trace }

func (quietSink) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (quietSink) Reload(events.Config) error    { return nil }

// alarms are the alerts that a story has firing.
type alarms struct {
	mu  sync.Mutex
	all []rules.Alert
}

func (a *alarms) Alerts() []rules.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all
}

func (a *alarms) fire(all ...rules.Alert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = all
}

func (*alarms) Update([]*rules.File) error { return nil }

// everything of the journal, for ids.
var (
	decisionsAll journal.DecisionFilter
	actionsAll   journal.ActionFilter
)

// openJournalOf opens the journal of an agent that has stopped.
func openJournalOf(a *Agent) (*journal.Journal, error) {
	return journal.Open(a.opts.Config.DataDir, slog.New(slog.DiscardHandler))
}
