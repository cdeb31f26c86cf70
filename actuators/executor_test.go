package actuators_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

// house is an executor over a platform with two services.
type house struct {
	t        *testing.T
	platform *fake.Driver
	journal  *fake.Journal
	executor *actuators.Executor
	mu       sync.Mutex
	last     map[string]actuators.ActionState
	states   []string // "id state" in order
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, platform: fake.New(), journal: fake.NewJournal(), last: map[string]actuators.ActionState{}}
	load := func(time.Time) fake.Load { return fake.Load{Cores: 9, Memory: 100 << 20} }
	for _, name := range []string{"web", "db"} {
		h.platform.Add(name, fake.Service{Sizes: policy.Size{policy.CPU: policy.Amount(1000), policy.Memory: policy.Amount(1 << 30)}, Load: load})
	}
	h.executor = actuators.NewExecutor(actuators.Config{
		Drivers: map[string]actuators.Driver{fake.Name: h.platform}, Journal: h.journal, Meter: h.platform, Events: &fake.Trace{},
		Transport: h.platform.Transport(),
		Updated: func(a actuators.Action) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.last[a.ID] != a.State {
				h.last[a.ID] = a.State
				h.states = append(h.states, a.ID+" "+string(a.State))
			}
		},
	})
	return h
}

func (h *house) action(id, target string, res policy.Resource, from, to int64) actuators.Action {
	h.t.Helper()
	a := actuators.Action{
		ID: id, TargetName: target, Target: fake.Target(target), Driver: fake.Name, Resource: res, State: actuators.Waiting,
		Direction: policy.Growth, From: policy.Amount(from), To: policy.Amount(to), First: policy.Amount(from),
	}
	a.Procedure.Validation = actuators.Validation{Settle: 10 * time.Second, Every: 5 * time.Second, Duration: time.Minute, Checks: 3}
	st, err := h.platform.Observe(h.t.Context(), a.Target)
	if err != nil {
		h.t.Fatal(err)
	}
	if a.Plan, err = h.platform.Plan(a.Target, st, policy.Size{res: a.To}); err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *house) start(a actuators.Action, want error) {
	h.t.Helper()
	if err := h.executor.Start(context.Background(), a); !errors.Is(err, want) {
		h.t.Errorf("Start %s: %v, want %v", a.ID, err, want)
	}
	synctest.Wait()
}

func TestOneExclusiveActionATarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.platform.Fail(fake.Fault{Op: "do", Late: 10 * time.Second})
		h.start(h.action("a1", "web", policy.CPU, 1000, 2000), nil)
		h.start(h.action("a2", "web", policy.Memory, 1<<30, 2<<30), actuators.ErrBusy) // a1 is applying
		h.start(h.action("a3", "db", policy.CPU, 1000, 2000), nil)                     // another target
		time.Sleep(11 * time.Second)
		h.start(h.action("a2", "web", policy.Memory, 1<<30, 2<<30), nil) // a1 is validating
		h.start(h.action("a4", "web", policy.CPU, 2000, 4000), actuators.ErrBusy)
		if got := len(h.executor.Active()); got != 3 {
			t.Errorf("%d actions under way, want 3", got)
		}
		time.Sleep(2 * time.Minute)
		if active := h.executor.Active(); len(active) != 0 {
			t.Errorf("still under way: %v", active)
		}
		h.start(h.action("a4", "web", policy.CPU, 2000, 4000), nil)
		h.executor.Close(errors.New("done"))
	})
}

// orderAtOnce is a journal from which somebody learns of a state, and orders at once what it allows.
type orderAtOnce struct {
	actuators.Journal
	at    actuators.ActionState
	order func()
}

func (j *orderAtOnce) Put(a actuators.Action) error {
	err := j.Journal.Put(a)
	if a.State == j.at {
		j.at = ""
		go j.order()
		synctest.Wait()
	}
	return err
}

// TestRollbackAsSoonAsItIsKnown takes an action back whose validation stands in the journal and has not
// begun yet.
func TestRollbackAsSoonAsItIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := &orderAtOnce{Journal: h.journal, at: actuators.Validating}
		x := actuators.NewExecutor(actuators.Config{
			Drivers: map[string]actuators.Driver{fake.Name: h.platform}, Journal: j, Meter: h.platform, Events: &fake.Trace{},
		})
		ordered := make(chan error, 1)
		j.order = func() { ordered <- x.Rollback(t.Context(), "a1", "cancelled") }
		if err := x.Start(t.Context(), h.action("a1", "web", policy.CPU, 1000, 2000)); err != nil {
			t.Fatal(err)
		}
		if err := <-ordered; err != nil {
			t.Errorf("Rollback: %v", err)
		}
		time.Sleep(time.Minute)
		x.Close(errors.New("done"))
		if got := h.platform.Sizes("web")[policy.CPU]; got != policy.Amount(1000) {
			t.Errorf("cpu %v after the rollback", got)
		}
	})
}

// TestRollbackWaitsItsTurn takes one action back while another one of the same target is applying.
func TestRollbackWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.start(h.action("a1", "web", policy.CPU, 1000, 2000), nil)
		h.platform.Fail(fake.Fault{Op: "do", Late: 30 * time.Second})
		h.start(h.action("a2", "web", policy.Memory, 1<<30, 2<<30), nil)
		if err := h.executor.Rollback(t.Context(), "a1", "an alert fires"); err != nil {
			t.Fatal(err)
		}
		if err := h.executor.Rollback(t.Context(), "a2", "an alert fires"); !errors.Is(err, actuators.ErrNotRunning) {
			t.Errorf("Rollback of an applying action: %v, want ErrNotRunning", err)
		}
		time.Sleep(5 * time.Minute)
		want := []string{
			"a1 waiting", "a1 applying", "a1 verifying", "a1 validating",
			"a2 waiting", "a2 applying", "a2 verifying", "a2 validating", "a1 rolling_back", "a1 rolled_back", "a2 inconclusive",
		}
		h.executor.Close(errors.New("done"))
		if diff := cmp.Diff(want, h.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// TestUndoOfWhatWasNotFinished takes a change back whose leftovers could not be cleared away: to do that then
// would be to commit what has just been taken back.
func TestUndoOfWhatWasNotFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.platform.Fail(fake.Fault{Op: "finish", Err: actuators.ErrRefused})
		h.start(h.action("a1", "web", policy.Memory, 1<<30, 2<<30), nil)
		time.Sleep(5 * time.Minute)
		journalled := func() actuators.Action {
			all, err := h.journal.Actions()
			if err != nil || len(all) != 1 {
				t.Fatalf("journal: %v, %v", all, err)
			}
			return all[0]
		}
		a := journalled()
		if !actuators.Stays(a.State) || !a.Unfinished || h.platform.Calls("finish") != 1 {
			t.Fatalf("%s, unfinished %v", a.State, a.Unfinished)
		}
		if err := h.executor.Undo(t.Context(), a, "an alert fires"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		h.executor.Close(errors.New("done"))
		a = journalled()
		if a.State != actuators.RolledBack || a.Unfinished || h.platform.Calls("finish") != 1 {
			t.Errorf("%s, unfinished %v, finished %d times", a.State, a.Unfinished, h.platform.Calls("finish"))
		}
	})
}

// TestRefusedToBeAppliedAgain is about a step that cannot be undone, and is refused when it is to be done once
// more, since the platform let it slip: it was begun all the same.
func TestRefusedToBeAppliedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		a := h.action("a1", "web", policy.CPU, 1000, 2000)
		a.Plan.Steps[0].Irreversible = true
		h.start(a, nil)
		time.Sleep(5 * time.Second)
		h.platform.Drift("web", policy.CPU, policy.Amount(1000))
		h.platform.Fail(fake.Fault{Op: "do", Times: -1, Err: actuators.ErrRefused})
		time.Sleep(5 * time.Minute)
		h.executor.Close(errors.New("done"))
		all, err := h.journal.Actions()
		if err != nil || len(all) != 1 || all[0].State != actuators.Kept || all[0].Done != 1 {
			t.Errorf("%v: %s, %d steps begun, %s", err, all[0].State, all[0].Done, all[0].Reason)
		}
	})
}

func TestExecutorRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ctx := t.Context()
		a := h.action("a1", "web", policy.CPU, 1000, 2000)
		foreign := a
		foreign.Driver = "mainframe"
		if err := h.executor.Start(ctx, foreign); err == nil {
			t.Error("Start with an unknown driver: no error")
		}
		begun := a
		begun.State = actuators.Applying
		if err := h.executor.Start(ctx, begun); err == nil {
			t.Error("Start of an action under way: no error")
		}
		if err := h.executor.Recover(ctx, a); err == nil {
			t.Error("Recover of a waiting action: no error")
		}
		if err := h.executor.Undo(ctx, a, "release"); !errors.Is(err, actuators.ErrNotRunning) {
			t.Errorf("Undo of a waiting action: %v", err)
		}
		if _, err := h.executor.Supersede(ctx, "nobody"); !errors.Is(err, actuators.ErrNotRunning) {
			t.Errorf("Supersede of nothing: %v", err)
		}
		h.executor.Close(errors.New("done"))
		h.executor.Close(errors.New("done again"))
		if err := h.executor.Start(ctx, a); !errors.Is(err, actuators.ErrClosed) {
			t.Errorf("Start after Close: %v", err)
		}
	})
}

// TestCloseIsBounded closes the executor while every kind of call hangs.
func TestCloseIsBounded(t *testing.T) {
	for _, op := range []string{"observe", "do", "undo", "finish", "http", "sample"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				a := h.action("a1", "web", policy.CPU, 1000, 2000)
				a.Procedure.Health = fake.Health("web", time.Minute)
				if op == "undo" {
					h.platform.Fail(fake.Fault{Op: "do", Err: errBroken})
				}
				h.platform.Fail(fake.Fault{Op: op, Times: -1, Hang: true})
				h.start(a, nil)
				time.Sleep(25 * time.Second)
				began := time.Now()
				h.executor.Close(errors.New("SIGTERM"))
				if took := time.Since(began); took > 40*time.Second {
					t.Errorf("Close took %s", took)
				}
			})
		})
	}
}

// TestRecoverWaitsForThePlatform recovers an action while its platform is away for an hour.
func TestRecoverWaitsForThePlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		a := h.action("a1", "web", policy.CPU, 1000, 2000)
		a.State, a.Done = actuators.Applying, 1
		away := time.Now()
		h.platform.Fail(fake.Fault{Op: "observe", Times: -1, Err: actuators.ErrTransient})
		if err := h.executor.Recover(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Since(away))
		if active := h.executor.Active(); len(active) != 1 || active[0].State != actuators.Applying {
			t.Fatalf("with the platform away: %v", active)
		}
		h.platform.Heal()
		time.Sleep(time.Minute)
		h.executor.Close(errors.New("done"))
		if diff := cmp.Diff([]string{"a1 rolling_back", "a1 rolled_back"}, h.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		h.executor.Close(errors.New("done"))
	})
}

// TestRecoverLeavesOthersAlone recovers actions whose target somebody else has changed meanwhile.
func TestRecoverLeavesOthersAlone(t *testing.T) {
	for _, state := range []actuators.ActionState{actuators.Applying, actuators.Verifying, actuators.Validating} {
		t.Run(string(state), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				a := h.action("a1", "web", policy.CPU, 1000, 2000)
				a.State, a.Done = state, 1
				h.platform.Set("web", policy.CPU, policy.Amount(3000))
				if err := h.executor.Recover(t.Context(), a); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				h.executor.Close(errors.New("done"))
				if diff := cmp.Diff([]string{"a1 superseded"}, h.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if n := h.platform.Calls("do") + h.platform.Calls("undo"); n != 0 {
					t.Errorf("%d calls touched the target", n)
				}
				h.executor.Close(errors.New("done"))
			})
		})
	}
}

// TestConfiguredIsCompared lets the platform show the new size in effect without having written it
// down: it would be lost at the next restart.
func TestConfiguredIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.platform.Fail(fake.Fault{Op: "do", Lie: true, Then: func() { h.platform.Drift("web", policy.CPU, policy.Amount(2000)) }})
		h.start(h.action("a1", "web", policy.CPU, 1000, 2000), nil)
		time.Sleep(5 * time.Minute)
		h.executor.Close(errors.New("done"))
		if n := h.platform.Calls("do"); n != 2 {
			t.Errorf("%d calls of Do, want 2: applied again", n)
		}
		if diff := cmp.Diff([]string{"a1 waiting", "a1 applying", "a1 verifying", "a1 validating", "a1 committed"}, h.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// TestIdleWantsAFreshSample has a querier whose newest sample is older than maintenance.
func TestIdleWantsAFreshSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.platform.Add("old", fake.Service{Sizes: policy.Size{policy.Storage: policy.Amount(1)}, Restart: []policy.Resource{policy.Storage}})
		began := time.Now()
		x := actuators.NewExecutor(actuators.Config{
			Drivers: map[string]actuators.Driver{fake.Name: h.platform}, Journal: h.journal, Events: &fake.Trace{},
			Transport: h.platform.Transport(), Querier: stale{began},
		})
		a := h.action("a1", "old", policy.Storage, 1, 2)
		a.Procedure.Drain = fake.Drain("old", 40*time.Second)
		if err := x.Start(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		time.Sleep(39 * time.Second)
		if got := x.Active()[0].State; got != actuators.Draining {
			t.Errorf("%s, want draining until the settle time is over", got)
		}
		time.Sleep(2 * time.Second)
		if got := x.Active()[0].State; got == actuators.Draining {
			t.Error("still draining after the settle time")
		}
		x.Close(errors.New("done"))
		h.executor.Close(errors.New("done"))
	})
}

// stale answers zero, sampled once.
type stale struct{ at time.Time }

func (s stale) Read(_ context.Context, expr string, _ time.Time) policy.Reading {
	return policy.Reading{Expr: expr, Known: true, At: s.at}
}

func (s stale) Mean(_ context.Context, expr string, _, _ time.Time) policy.Reading {
	return policy.Reading{Expr: expr, Known: true, At: s.at}
}
