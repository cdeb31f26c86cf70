package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// A world is a fake platform and an agent that looks after its services, in virtual time. Its txtar
// holds agent.yaml (testdata/agent.yaml where it has none) and what is to happen, line by line.
type world struct {
	t       *testing.T
	files   map[string]string
	dir     string // data_dir
	locks   string // of the host
	keyed   bool   // targets are locked against other agents
	slowKey time.Duration
	hangs   atomic.Pointer[string]  // the service about which the platform does not answer
	sensing func(s senseAll) senses // nil: as the model says
	driver  *fake.Driver
	fleet   *fake.Fleet // the platform instead, if it is not nil
	querier *fake.Querier
	alerts  *alarms
	trace   *fake.Trace
	agent   *Agent
	life    *life
	stop    func()
	prepare func(*Agent)      // changes an agent before it runs
	masks   map[string]string // what is another in each run, and how a golden trace shows it
}

// inWorld runs a story of the service "app" and an agent that is running already.
func inWorld(t *testing.T, name string, s fake.Service, story func(w *world)) {
	t.Helper()
	inEmptyWorld(t, name, func(w *world) {
		w.driver.Add("app", s)
		w.start("agent.yaml")
		story(w)
	})
}

// inEmptyWorld runs a story in virtual time, and compares what was told with the txtar's "want". The
// part of name after a space tells several stories of one txtar apart: "want part". A story without a
// name asks for itself what came of it.
func inEmptyWorld(t *testing.T, name string, story func(w *world)) {
	t.Helper()
	base, part, _ := strings.Cut(name, " ")
	path, archive := filepath.Join("testdata", base+".txtar"), &txtar.Archive{}
	if name != "" {
		var err error
		if archive, err = txtar.ParseFile(path); err != nil {
			t.Fatal(err)
		}
	}
	standard, err := os.ReadFile("testdata/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, files: map[string]string{"agent.yaml": string(standard)}, dir: t.TempDir(), locks: t.TempDir(),
			driver: fake.New(), trace: &fake.Trace{}, alerts: &alarms{}, masks: map[string]string{},
		}
		for _, f := range archive.Files {
			w.files[f.Name] = string(f.Data)
		}
		w.querier = w.driver.Querier()
		story(w)
		w.stop()
		if name != "" {
			w.compare(path, strings.TrimSpace("want "+part), archive)
		}
	})
}

// edit changes agent.yaml before the agent reads it.
func (w *world) edit(old, new string) {
	w.t.Helper()
	if !strings.Contains(w.files["agent.yaml"], old) {
		w.t.Fatalf("agent.yaml does not say %q", old)
	}
	w.files["agent.yaml"] = strings.Replace(w.files["agent.yaml"], old, new, 1)
}

// read parses a configuration of the archive.
func (w *world) read(file string) (*config.Config, error) {
	cfg, err := config.Parse(file, []byte(w.files[file]), fakeRegistry(w.driver))
	if err == nil {
		cfg.DataDir = w.dir
	}
	return cfg, err
}

// start runs an agent with a configuration of the archive, over the data of the one before.
func (w *world) start(file string) {
	w.t.Helper()
	cfg, err := w.read(file)
	if err != nil {
		w.t.Fatal(err)
	}
	var logged lockedBuffer
	l := &life{world: w}
	a, err := newAgent(Options{
		Config: cfg, Reread: func() (*config.Config, error) { return w.read("agent.yaml") },
		Registry: fakeRegistry(l.platform()), Version: "test", LockDir: filepath.Join(w.locks, "engramd"),
		Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.agent, w.life = a, l
	l.agent = a
	a.sink = l
	a.senses = senseAll{w.querier, w.driver}
	if w.fleet != nil {
		a.senses = senseFleet{w.querier, w.fleet}
	}
	if w.sensing != nil {
		a.senses = w.sensing(senseAll{w.querier, w.driver})
	}
	a.alerts = w.alerts
	a.transport = l
	a.collect = func(telemetry.Config) error { return nil }
	a.endpoints = func() []telemetry.Endpoint { return nil }
	a.capacity.MemoryBytes = 64 << 30
	a.capacity.Online = make([]int, 8)
	a.parts = []part{{"collector", l.collect}}
	if w.prepare != nil {
		w.prepare(a)
	}
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
	l.stop = sync.OnceFunc(func() {
		cancel(errors.New("the story is over"))
		running.Wait()
		w.noteIDs(a)
		if err := a.Close(); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			w.t.Log(logged.String())
		}
	})
	w.stop = l.stop
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// note writes down what the story does to the world.
func (w *world) note(text string) { w.trace.Note(time.Now().UTC().Format("15:04:05"), text) }

func (w *world) compare(path, want string, archive *txtar.Archive) {
	w.t.Helper()
	got := w.trace.String()
	for random, shown := range w.masks {
		got = strings.ReplaceAll(got, random, shown)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == want })
		if i < 0 {
			i = len(archive.Files)
			archive.Files = append(archive.Files, txtar.File{Name: want})
		}
		archive.Files[i].Data = []byte(got)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(w.files[want], got); diff != "" {
		w.t.Errorf("%s, %s (-want +got; UPDATE_GOLDEN=1 rewrites it):\n%s", path, want, diff)
	}
}

// noteIDs notes what is random in a life that ends.
func (w *world) noteIDs(of *Agent) {
	ds, err := of.journal.Decisions(journal.DecisionFilter{})
	as, otherErr := of.journal.Actions(journal.ActionFilter{})
	if err := errors.Join(err, otherErr); err != nil {
		w.t.Error(err)
	}
	w.masks[of.opts.Config.DataDir], w.masks[w.locks], w.masks[fmt.Sprintf("process %d", os.Getpid())] = "DATA", "LOCKS", "process PID"
	for _, d := range ds {
		w.masks[d.ID] = "ID"
	}
	for _, a := range as {
		w.masks[a.ID] = "ID"
	}
}

// ask asks the loop for something of its own.
func ask[T any](w *world, f func(l *loop) T) T {
	w.t.Helper()
	v, err := call(w.t.Context(), w.agent.inbox, func() (T, error) { return f(w.agent.loop), nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// targets counts the targets of the loop.
func (w *world) targets() int { return ask(w, func(l *loop) int { return len(l.targets) }) }

// actions lists what the journal knows, oldest first.
func (w *world) actions() []actuators.Action {
	w.t.Helper()
	all, err := w.agent.journal.Actions(journal.ActionFilter{})
	if err != nil {
		w.t.Error(err)
	}
	slices.Reverse(all)
	return all
}

// fakeRegistry knows the fake platform alone.
func fakeRegistry(d actuators.Driver) actuators.Registry {
	return actuators.Registry{fake.Name: {
		NewSpec: func() any { return &fake.Spec{} },
		Check:   func(any) error { return nil },
		Open:    func(*slog.Logger) (actuators.Driver, error) { return d, nil },
	}}
}

// A dial is a number that a story turns while the world reads it.
type dial struct{ bits atomic.Uint64 }

func (d *dial) turn(to float64) { d.bits.Store(math.Float64bits(to)) }

func (d *dial) read() float64 { return math.Float64frombits(d.bits.Load()) }

// wanting is busy with a dial for the cores that it wants.
func wanting(limit int64, cores float64) (fake.Service, *dial) {
	d := &dial{}
	d.turn(cores)
	s := busy(limit, 0)
	s.Load = func(time.Time) fake.Load { return fake.Load{Cores: d.read(), Memory: 1 << 20} }
	return s, d
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

// senseFleet sees a fleet.
type senseFleet struct {
	*fake.Querier
	*fake.Fleet
}

// ReadBy knows no labels.
func (senseFleet) ReadBy(context.Context, string, string, time.Time) map[string]policy.Reading {
	return nil
}

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
