package actuators_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
)

// A show is a growth of cpu from 1 to 2 on a fleet of three pods, each of which wants 1.6.
type show struct {
	*fake.Fleet
	follows  bool // the driver's steps are done to what came instead, too
	t        *testing.T
	journal  *fake.Journal
	trace    *fake.Trace
	executor *actuators.Executor
	ctx      context.Context
	kill     context.CancelFunc
	wants    float64
}

// inFleet plays a story in virtual time, with the action already under way.
func inFleet(t *testing.T, story func(s *show)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &show{t: t, journal: fake.NewJournal(), trace: &fake.Trace{}, wants: 1.6}
		s.Fleet = fake.NewFleet(3, policy.Size{policy.CPU: policy.Amount(1000)})
		s.Fleet.StartFor = 5 * time.Second
		s.Fleet.Want(func(time.Time) float64 { return s.wants })
		time.Sleep(10 * time.Minute)
		s.boot()
		story(s)
		s.kill()
		s.executor.Close(errors.New("the test is over"))
		if t.Failed() {
			t.Log(s.trace.String())
		}
	})
}

func (s *show) boot() {
	s.ctx, s.kill = context.WithCancel(context.Background())
	s.executor = actuators.NewExecutor(actuators.Config{
		Drivers: map[string]actuators.Driver{fake.Name: s.driver()}, Journal: s.journal, Meter: s.Fleet, Events: s.trace,
	})
}

func (s *show) driver() actuators.Driver {
	if s.follows {
		return fake.Successors{Fleet: s.Fleet}
	}
	return s.Fleet
}

// start begins the action, as planned now.
func (s *show) start() {
	s.t.Helper()
	a := actuators.Action{
		ID: "a1", Target: fake.Target("app"), TargetName: "app", Driver: fake.Name, Resource: policy.CPU, Direction: policy.Growth,
		From: policy.Amount(1000), To: policy.Amount(2000), First: policy.Amount(1000), State: actuators.Proposed,
	}
	a.Procedure.Validation = actuators.Validation{Settle: 30 * time.Second, Every: 15 * time.Second, Checks: 3, Duration: 5 * time.Minute, NoEffect: "rollback"}
	a.Procedure.RetryAfter = time.Hour
	st, err := s.Observe(s.ctx, a.Target)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Parts = actuators.PartIDsOf(st)
	if a.Plan, err = s.driver().Plan(a.Target, st, policy.Size{policy.CPU: a.To}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.journal.Put(a); err != nil {
		s.t.Fatal(err)
	}
	if err := s.executor.Start(s.ctx, a); err != nil {
		s.t.Fatal(err)
	}
}

// die starts the action and kills the executor when it is about to journal what at picks.
func (s *show) die(at func(actuators.Action) bool) {
	s.t.Helper()
	var last, left *actuators.Action
	s.journal.OnPut(func(_ int, a actuators.Action) error {
		if left == nil && at(a) {
			left = last
			for _, op := range []string{"observe", "do", "undo"} {
				s.Fail(op, errDead)
			}
		}
		if left != nil {
			return errDead
		}
		last = &a
		return nil
	})
	s.start()
	synctest.Wait()
	s.kill()
	s.executor.Close(errDead)
	for _, op := range []string{"observe", "do", "undo"} {
		s.Fail(op, nil)
	}
	if left == nil {
		s.t.Fatal("never came to it")
	}
	s.journal = fake.NewJournal()
	if err := s.journal.Put(*left); err != nil {
		s.t.Fatal(err)
	}
}

// restart ends the executor at once, and lets a new one recover.
func (s *show) restart() {
	s.t.Helper()
	s.kill()
	s.executor.Close(errors.New("restart"))
	s.boot()
	if err := s.executor.Recover(s.ctx, s.action()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *show) action() actuators.Action {
	s.t.Helper()
	all, err := s.journal.Actions()
	if err != nil || len(all) != 1 {
		s.t.Fatalf("%d actions, %v", len(all), err)
	}
	return all[0]
}

// pass lets time go by while an agent brings late pods to the committed size.
func (s *show) pass(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(15 * time.Second)
		synctest.Wait()
		_ = s.executor.Alone(s.ctx, "app", func(ctx context.Context) error { // busy: at the next turn
			_, err := s.Reconcile(ctx, fake.Target("app"))
			return err
		})
	}
}

func (s *show) expect(state actuators.ActionState, late int64, sizes ...int64) {
	s.t.Helper()
	if a := s.action(); a.State != state {
		s.t.Errorf("the action is %s (%s), want %s", a.State, a.Reason, state)
	}
	var want []policy.Quantity
	for _, n := range sizes {
		want = append(want, policy.Amount(n))
	}
	if got := s.Sizes(policy.CPU); !slices.Equal(got, want) {
		s.t.Errorf("the pods have %v, want %v", got, want)
	}
	got, _ := s.Committed()[policy.CPU].Amount()
	if got != late {
		s.t.Errorf("late pods get %d, want %d", got, late)
	}
}

func TestPodsThatComeAndGoAreNoVerdict(t *testing.T) {
	tests := map[string]func(s *show){
		"nothing happens": func(s *show) { s.start() },
		"a pod is deleted between the plan and its start": func(s *show) {
			s.Before("observe", func() { s.Before("observe", func() { s.Delete(0) }) })
			s.start()
		},
		"a pod is deleted while another is resized": func(s *show) {
			s.Before("do", func() { s.Delete(2) })
			s.start()
		},
		"a pod is deleted right after it was resized": func(s *show) {
			s.Before("do", func() { s.Before("do", func() { s.Delete(0) }) })
			s.start()
		},
		"every pod is replaced while they are resized": func(s *show) {
			s.Before("do", func() { s.Before("do", func() { s.Rollout(nil) }) })
			s.start()
		},
		"a rollout by the user while it is watched": func(s *show) {
			s.start()
			time.Sleep(time.Minute)
			s.Rollout(nil)
		},
		"one more pod while it is watched": func(s *show) {
			s.start()
			time.Sleep(time.Minute)
			s.Scale(4)
			time.Sleep(time.Minute)
			s.Scale(3)
		},
		"a new pod never starts": func(s *show) {
			s.StartFor = 24 * time.Hour
			s.start()
			time.Sleep(time.Minute)
			s.Scale(4)
			s.pass(10 * time.Minute)
			s.Scale(3)
		},
		"a pod is just starting when it begins": func(s *show) {
			s.Delete(1)
			s.start()
		},
		"a pod has not come to the size yet when it begins": func(s *show) {
			s.Set(1, policy.CPU, policy.Amount(500))
			s.start()
		},
		"the agent restarts while it is watched, and all pods are new": func(s *show) {
			s.start()
			time.Sleep(time.Minute)
			s.Rollout(nil)
			s.restart()
		},
		"the agent dies with everything done, and one pod is new": func(s *show) {
			s.die(func(a actuators.Action) bool { return a.State == actuators.Verifying })
			s.Delete(0)
			s.restart()
		},
	}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(s *show) {
				play(s)
				s.pass(20 * time.Minute)
				s.expect(actuators.Committed, 2000, 2000, 2000, 2000)
			})
		})
	}
}

// A growth that did not help is taken back from pods that came later, too.
func TestLatePodsAreTakenBackToo(t *testing.T) {
	inFleet(t, func(s *show) {
		s.start()
		s.pass(40 * time.Second)
		s.Delete(0)
		s.pass(time.Minute)
		if err := s.executor.Rollback(s.ctx, "a1", "a person asked"); err != nil {
			t.Fatal(err)
		}
		s.pass(20 * time.Minute)
		s.expect(actuators.RolledBack, 0, 1000, 1000, 1000)
	})
}

// Its pods at half of the sizes, one of them new: what a killed agent left is undone, and the gone pod
// has nothing to undo.
func TestHalfAResizeIsUndone(t *testing.T) {
	inFleet(t, func(s *show) {
		s.die(func(a actuators.Action) bool { return a.Done == 3 })
		s.Delete(0)
		s.restart()
		s.pass(time.Minute)
		s.expect(actuators.RolledBack, 0, 1000, 1000, 1000)
	})
}

// Late pods may get the size only with the commit: until then a rollout by the user leaves none of them
// at it, and the steps are done to those that came instead.
func TestARolloutBeforeTheCommit(t *testing.T) {
	for name, after := range map[string]func(s *show){
		"watched":   func(*show) {},
		"restarted": func(s *show) { s.restart() },
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(s *show) {
				s.follows = true
				s.executor.Close(errors.New("another driver"))
				s.boot()
				s.start()
				time.Sleep(time.Minute)
				s.Rollout(nil)
				after(s)
				s.pass(20 * time.Minute)
				s.expect(actuators.Committed, 2000, 2000, 2000, 2000)
			})
		})
	}
}

// A rollout with other resources in the template is its user's choice.
func TestARolloutWithAnotherSizeTakesOver(t *testing.T) {
	inFleet(t, func(s *show) {
		s.start()
		time.Sleep(time.Minute)
		s.Rollout(policy.Size{policy.CPU: policy.Amount(3000)})
		s.pass(20 * time.Minute)
		s.expect(actuators.Superseded, 0, 3000, 3000, 3000)
		if why := s.action().Reason; !strings.Contains(why, "every part was replaced") {
			t.Error(why)
		}
	})
}

// What somebody changes by hand in a pod that was resized is still somebody else's change.
func TestAPodChangedByHand(t *testing.T) {
	inFleet(t, func(s *show) {
		s.start()
		time.Sleep(time.Minute)
		s.Set(1, policy.CPU, policy.Amount(1500))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		s.expect(actuators.Superseded, 2000, 2000, 1500, 2000)
	})
}

// A new pod with an old name and the size of the template is no reversal; an old one taken back is.
func TestReversalsGoByTheSamePods(t *testing.T) {
	inFleet(t, func(s *show) {
		s.Named = true
		s.start()
		s.pass(20 * time.Minute)
		a := s.action()
		reversed := func() bool {
			st, err := s.Observe(s.ctx, a.Target)
			if err != nil {
				t.Fatal(err)
			}
			return actuators.Reversed(a, actuators.Of(a, st), time.Now())
		}
		s.Rollout(nil)
		time.Sleep(10 * time.Second)
		if reversed() {
			t.Error("new pods count as a reversal")
		}
		s.Reconcile(s.ctx, a.Target)
		for i := range 3 {
			s.Set(i, policy.CPU, policy.Amount(1000))
		}
		if reversed() {
			t.Error("pods that the action never saw count as a reversal")
		}
	})
}

func TestAlone(t *testing.T) {
	inFleet(t, func(s *show) {
		held := make(chan struct{})
		go s.executor.Alone(s.ctx, "app", func(context.Context) error { <-held; return nil })
		synctest.Wait()
		if err := s.executor.Alone(s.ctx, "app", nil); !errors.Is(err, actuators.ErrBusy) {
			t.Errorf("a second one: %v", err)
		}
		s.start()
		time.Sleep(time.Minute)
		if n := s.Calls("do"); n != 0 {
			t.Errorf("%d steps were done beside it", n)
		}
		close(held)
		s.Before("do", func() {
			if err := s.executor.Alone(s.ctx, "app", nil); !errors.Is(err, actuators.ErrBusy) {
				t.Errorf("beside a step: %v", err)
			}
		})
		s.pass(20 * time.Minute)
		s.expect(actuators.Committed, 2000, 2000, 2000, 2000)
		s.executor.Close(errors.New("over"))
		if err := s.executor.Alone(s.ctx, "app", nil); !errors.Is(err, actuators.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}
