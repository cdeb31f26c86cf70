package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// inFleet runs a story of three pods with one core each, of which every pod wants 1.6, and of an agent
// that runs already.
func inFleet(t *testing.T, story func(w *world)) {
	t.Helper()
	inEmptyFleet(t, func(w *world) {
		w.start("agent.yaml")
		story(w)
	})
}

func inEmptyFleet(t *testing.T, story func(w *world)) {
	t.Helper()
	inEmptyWorld(t, "", func(w *world) {
		w.fleet = fake.NewFleet(3, policy.Size{policy.CPU: policy.Amount(1000)})
		w.fleet.StartFor = 5 * time.Second
		w.fleet.Want(func(time.Time) float64 { return 1.6 })
		w.querier.Define("cpu", func(at time.Time) (float64, bool) {
			u := w.fleet.Used("app", at.Add(-15*time.Second), at)
			if u.Cores == nil || u.CPULimit == nil {
				return 0, false
			}
			return 100 * *u.Cores / *u.CPULimit, true
		})
		story(w)
	})
}

func (w *world) pods(want ...int64) {
	w.t.Helper()
	var all []int64
	for _, q := range w.fleet.Sizes(policy.CPU) {
		n, _ := q.Amount()
		all = append(all, n)
	}
	if !slices.Equal(all, want) {
		w.t.Errorf("the pods have %v, want %v", all, want)
	}
}

func (w *world) status() api.TargetStatus {
	w.t.Helper()
	s, err := w.agent.Status(w.t.Context())
	if err != nil || len(s.Targets) != 1 {
		w.t.Fatalf("status: %+v, %v", s, err)
	}
	return s.Targets[0]
}

// second starts another agent, on another host, and returns how to go on with the first or the second.
func (w *world) second() (first, second func()) {
	w.t.Helper()
	one, oneDir := w.life, w.dir
	w.dir = w.t.TempDir()
	w.start("agent.yaml")
	other, otherDir := w.life, w.dir
	use := func(l *life, dir string) func() {
		return func() { w.agent, w.life, w.stop, w.dir = l.agent, l, l.stop, dir }
	}
	return use(one, oneDir), use(other, otherDir)
}

func TestAPlatformsLock(t *testing.T) {
	inFleet(t, func(w *world) {
		w.pass(time.Minute)
		if got := w.fleet.Locks.Holder("app"); got != w.agent.holder || !strings.Contains(got, "_") {
			t.Errorf("held by %q, want %q", got, w.agent.holder)
		}
		w.pass(10 * time.Minute)
		w.expect(actuators.Committed)
		w.pods(2000, 2000, 2000)
		if left := w.fleet.Locks.Left("app"); len(left) != 0 {
			t.Errorf("records are left: %+v", left)
		}
		was := w.agent.holder
		w.stop()
		if got := w.fleet.Locks.Holder("app"); got != "" {
			t.Errorf("after the end %q holds it", got)
		}
		w.start("agent.yaml")
		if w.agent.holder != was {
			t.Errorf("after a restart it calls itself %s, before %s", w.agent.holder, was)
		}
	})
}

// The second agent, on another host, stands by, tells so once, and takes the open action over when the
// first is killed.
func TestAnAgentOnAnotherHostTakesOver(t *testing.T) {
	for _, state := range []actuators.ActionState{actuators.Applying, actuators.Validating} {
		t.Run(string(state), func(t *testing.T) {
			inFleet(t, func(w *world) {
				w.pass(10 * time.Second)
				first, second := w.second()
				w.pass(10 * time.Second)
				second()
				if s := w.status(); s.State != api.TargetStandby || !strings.Contains(s.Detail, "has it") {
					t.Errorf("the second one is %s: %s", s.State, s.Detail)
				}
				first()
				w.killAt(string(state), func(e policy.Event) bool { return e.Outcome == state })
				if left := w.fleet.Locks.Left("app"); len(left) != 1 {
					t.Errorf("a successor finds %+v", left)
				}
				second()
				w.pass(20 * time.Minute)
				w.pods(2000, 2000, 2000)
				want := []actuators.ActionState{actuators.Committed}
				if state == actuators.Applying {
					want = []actuators.ActionState{actuators.RolledBack, actuators.Committed}
				}
				w.expect(want...)
				if n := strings.Count(w.trace.String(), "standing by"); n != 1 {
					t.Errorf("that it stands by was told %d times", n)
				}
			})
		})
	}
}

// Another agent takes the lock in the middle of a change: not one step more is done, until it is given
// back.
func TestAPlatformsLockIsLost(t *testing.T) {
	inFleet(t, func(w *world) {
		var other *fake.Lock
		w.life.watch(func(e policy.Event) {
			if e.Details["op"] == "do" && other == nil {
				other = w.fleet.Locks.Steal("app", "another")
			}
		})
		w.pass(10 * time.Minute)
		if n := w.fleet.Calls("do"); n != 0 {
			t.Errorf("%d steps were done without the lock", n)
		}
		if left := w.fleet.Locks.Left("app"); len(left) != 1 || left[0].State != actuators.Applying {
			t.Errorf("the other agent finds %+v", left)
		}
		if s := w.status(); s.State != api.TargetStandby {
			t.Errorf("it is %s", s.State)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		w.pass(20 * time.Minute)
		w.expect(actuators.RolledBack, actuators.Committed)
		w.ended()
	})
}

// While nobody can say whose the target is, nothing is done, and nothing is given up either.
func TestAPlatformsLockCannotBeAsked(t *testing.T) {
	inFleet(t, func(w *world) {
		w.pass(20 * time.Second)
		w.fleet.Locks.Fail(fmt.Errorf("%w: the API server is away", actuators.ErrTransient))
		w.pass(10 * time.Minute)
		if n := w.fleet.Calls("do"); n != 0 {
			t.Errorf("%d steps were done without asking", n)
		}
		if s := w.status(); s.State == api.TargetStandby {
			t.Errorf("the target was given up: %s", s.Detail)
		}
		w.fleet.Locks.Fail(nil)
		w.pass(30 * time.Minute)
		w.pods(2000, 2000, 2000)
		w.ended()
	})
}

// A lock that does not answer at all holds up nothing but what needs it.
func TestAPlatformsLockHangs(t *testing.T) {
	inFleet(t, func(w *world) {
		w.pass(20 * time.Second)
		w.fleet.Locks.Hang(true)
		w.pass(10 * time.Minute)
		began := time.Now()
		w.status()
		if took := time.Since(began); took != 0 {
			t.Errorf("the loop waited %s for the lock", took)
		}
		if n := w.fleet.Calls("do"); n != 0 {
			t.Errorf("%d steps were done", n)
		}
		if text := w.trace.String(); !strings.Contains(text, "did not answer within 15s") {
			t.Errorf("nobody says that the lock does not answer:\n%s", text)
		}
		w.fleet.Locks.Hang(false)
		w.pass(30 * time.Minute)
		w.pods(2000, 2000, 2000)
		w.ended()
	})
}

// What a successor could not find is not done.
func TestWithoutARecordNothingIsDone(t *testing.T) {
	inFleet(t, func(w *world) {
		w.life.watch(func(e policy.Event) {
			if e.Outcome == actuators.Applying {
				w.fleet.Locks.Fail(errors.New("quota exceeded"))
			}
		})
		w.pass(3 * time.Minute)
		if n := w.fleet.Calls("do"); n != 0 {
			t.Errorf("%d steps were done without a record", n)
		}
		w.pods(1000, 1000, 1000)
		w.fleet.Locks.Fail(nil)
		w.life.watch(nil)
		w.pass(40 * time.Minute)
		w.pods(2000, 2000, 2000)
		w.ended()
	})
}

func TestLatePodsComeToTheCommittedSize(t *testing.T) {
	inFleet(t, func(w *world) {
		w.pass(10 * time.Minute)
		w.expect(actuators.Committed)
		w.fleet.Rollout(nil)
		w.pods(1000, 1000, 1000)
		w.pass(30 * time.Second)
		w.pods(2000, 2000, 2000)
		w.pass(20 * time.Minute)
		w.expect(actuators.Committed)
		if text := w.trace.String(); !strings.Contains(text, "reconcile") || strings.Contains(text, "reversal") {
			t.Error(text)
		}
		if left := w.status().Budget; left.DayLeft != left.DayOf-1 {
			t.Errorf("the budget is %+v, want one action spent", left)
		}
	})
}

// A StatefulSet's new pods have the old ones' names and the template's size: that is no reversal, also
// while they cannot be brought to the size.
func TestNewPodsAreNoReversal(t *testing.T) {
	inFleet(t, func(w *world) {
		w.fleet.Named = true
		w.pass(10 * time.Minute)
		w.fleet.Fail("reconcile", errors.New("the node is full"))
		w.fleet.Want(func(time.Time) float64 { return 0.5 })
		w.fleet.Rollout(nil)
		w.pass(20 * time.Minute)
		text := w.trace.String()
		if strings.Contains(text, "reversal") {
			t.Error(text)
		}
		if n := strings.Count(text, "the node is full"); n != 1 {
			t.Errorf("the fault was told %d times", n)
		}
		w.fleet.Fail("reconcile", nil)
		w.pass(time.Minute)
		w.pods(2000, 2000, 2000)
	})
}

func TestLatePodsAreLeftAlone(t *testing.T) {
	tests := map[string]func(w *world){
		"paused": func(w *world) {
			_, err := w.agent.Pause(w.t.Context(), api.PauseRequest{Target: "app", Reason: "r"})
			w.must(err)
		},
		"paused on the platform": func(w *world) { w.fleet.Pause("label engramd.io/pause") },
		"frozen": func(w *world) {
			_, err := w.agent.Freeze(w.t.Context(), api.FreezeRequest{Target: "app", Reason: "r"})
			w.must(err)
		},
		"dry run":         func(w *world) { w.edit("mode: auto", "mode: dry-run"); w.reload() },
		"another agent's": func(w *world) { w.fleet.Locks.Steal("app", "another") },
		"no longer configured": func(w *world) {
			w.edit("  - name: app\n", "  - name: other\n")
			w.edit("target: app", "target: other")
			w.fleet.Locks.Steal("other", "another")
			w.reload()
		},
	}
	for name, disturb := range tests {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(w *world) {
				w.pass(10 * time.Minute)
				w.expect(actuators.Committed)
				disturb(w)
				w.pass(30 * time.Second)
				w.fleet.Want(func(time.Time) float64 { return 0.5 })
				w.fleet.Rollout(nil)
				w.pass(10 * time.Minute)
				w.pods(1000, 1000, 1000)
			})
		})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// One reconciliation at a time, bounded in time, and the loop goes on beside it.
func TestASlowReconciliation(t *testing.T) {
	inFleet(t, func(w *world) {
		w.pass(10 * time.Minute)
		before := w.fleet.Calls("reconcile")
		w.fleet.Hang("reconcile", true)
		w.pass(5 * time.Minute)
		if n := w.fleet.Calls("reconcile") - before; n < 5 || n > 11 {
			t.Errorf("%d reconciliations in 5 minutes, each of which takes %s", n, reconcileTimeout)
		}
		began := time.Now()
		w.status()
		if time.Since(began) != 0 {
			t.Error("the loop waited")
		}
		w.fleet.Hang("reconcile", false)
	})
}

func TestPausedOnThePlatform(t *testing.T) {
	inFleet(t, func(w *world) {
		w.fleet.Pause("label engramd.io/pause on Deployment app")
		w.pass(10 * time.Minute)
		w.pods(1000, 1000, 1000)
		s := w.status()
		if s.State != api.TargetPaused || !strings.Contains(s.Detail, "engramd.io/pause") || s.Pause == nil {
			t.Errorf("it is %s: %s, %+v", s.State, s.Detail, s.Pause)
		}
		plans, err := w.agent.Plan(w.t.Context(), "app")
		if err != nil || len(plans) != 1 || plans[0].Held == nil || plans[0].Held.By != policy.HeldByPause || !strings.Contains(plans[0].Held.Text, "engramd.io/pause") {
			t.Errorf("plan: %+v, %v", plans, err)
		}
		w.fleet.Pause("")
		w.pass(10 * time.Minute)
		w.pods(2000, 2000, 2000)
		if n := strings.Count(w.trace.String(), "on the platform"); n != 2 {
			t.Errorf("the pause and its end were told %d times:\n%s", n, w.trace)
		}
	})
}

// The kubelet decides whether a node has room, not what this host has left.
func TestAdmissionIsThePlatforms(t *testing.T) {
	for who, want := range map[string][]actuators.ActionState{"the kubelet": {actuators.Committed}, "": nil} {
		inEmptyFleet(t, func(w *world) {
			w.prepare = func(a *Agent) {
				p := a.opts.Registry[fake.Name]
				p.Admission = who
				a.opts.Registry[fake.Name] = p
				a.capacity.Online = []int{0}
			}
			w.start("agent.yaml")
			w.pass(10 * time.Minute)
			w.expect(want...)
		})
	}
}

func TestReleaseLeavesNothing(t *testing.T) {
	tests := map[string]func(w *world){
		"at once": func(*world) {},
		"retried": func(w *world) {
			w.fleet.Fail("release", errors.New("forbidden"))
			w.pass(20 * time.Minute)
			w.fleet.Fail("release", nil)
		},
		"too slow": func(w *world) {
			w.fleet.Hang("release", true)
			w.pass(20 * time.Minute)
			w.fleet.Hang("release", false)
		},
		"killed": func(w *world) {
			w.fleet.Fail("release", errors.New("forbidden"))
			w.pass(20 * time.Minute)
			w.fleet.Fail("release", nil)
			w.killNow()
			w.start("agent.yaml")
		},
		"killed at once": func(w *world) { w.killNow(); w.start("agent.yaml") },
		"restarted without the target": func(w *world) {
			w.edit("  - name: app\n    fake: {service: app}\n", "  - name: app2\n    fake: {service: app2}\n")
			w.edit("target: app", "target: app2")
			w.fleet.Locks.Steal("app2", "another")
			w.stop()
			w.start("agent.yaml")
		},
	}
	for name, disturb := range tests {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(w *world) {
				w.pass(10 * time.Minute)
				w.expect(actuators.Committed)
				if got := w.release(); len(got) != 1 || got[0].ActionID == "" {
					t.Fatalf("release: %+v", got)
				}
				disturb(w)
				w.pass(40 * time.Minute) // what is not configured any more is watched for half an hour
				w.pods(1000, 1000, 1000)
				if left := w.fleet.Committed(); len(left) != 0 {
					t.Errorf("marks are left: %v", left)
				}
				if who := w.fleet.Locks.Holder("app"); who != "" {
					t.Errorf("the lock is left with %s", who)
				}
				if left := w.originals(); len(left) != 0 {
					t.Errorf("originals are left: %v", left)
				}
			})
		})
	}
}

// A target that was never changed has a lock on the platform all the same.
func TestReleaseOfWhatWasNeverChanged(t *testing.T) {
	inFleet(t, func(w *world) {
		w.fleet.Want(func(time.Time) float64 { return 0.5 })
		w.pass(time.Minute)
		if got := w.release(); len(got) != 1 || got[0].Target != "app" || got[0].Detail == "" {
			t.Fatalf("release: %+v", got)
		}
		w.pass(time.Minute)
		if who := w.fleet.Locks.Holder("app"); who != "" {
			t.Errorf("the lock is left with %s", who)
		}
		if got := w.release(); len(got) != 1 || !got[0].Done {
			t.Errorf("release again: %+v", got)
		}
		taken := w.fleet.Locks.Taken()
		w.stop()
		w.start("agent.yaml")
		w.fleet.Want(func(time.Time) float64 { return 1.6 })
		w.pass(10 * time.Minute)
		if s := w.status(); s.State != api.TargetFrozen || !strings.Contains(s.Detail, "unfreeze") {
			t.Errorf("it is %s: %s", s.State, s.Detail)
		}
		if n := w.fleet.Locks.Taken() - taken; n != 0 {
			t.Errorf("the lock was taken %d times since", n)
		}
		w.must(w.agent.Unfreeze(w.t.Context(), api.UnfreezeRequest{Target: "app"}))
		w.pass(10 * time.Minute)
		w.pods(2000, 2000, 2000)
	})
}

// A target that was unfrozen while it was being left is not left: a kill between the two notes of that in the journal
// leaves one of them.
func TestWhatWasUnfrozenIsNotLeft(t *testing.T) {
	inFleet(t, func(w *world) {
		w.fleet.Want(func(time.Time) float64 { return 0.5 })
		w.pass(time.Minute)
		taken := w.fleet.Locks.Taken()
		ask(w, func(l *loop) bool {
			l.leaving = map[string]*leaving{"app": {By: "somebody"}}
			return true
		})
		w.pass(time.Minute)
		if n := w.fleet.Locks.Taken() - taken; n != 0 || w.fleet.Locks.Holder("app") == "" {
			t.Errorf("its lock was given back, and taken %d times since", n)
		}
		if left := ask(w, func(l *loop) int { return len(l.leaving) }); left != 0 {
			t.Error("it is still being left")
		}
	})
}

func TestEventsOnThePlatform(t *testing.T) {
	inFleet(t, func(w *world) {
		w.pass(10 * time.Minute)
		var states []string
		for _, e := range w.fleet.Events() {
			if e.Type == policy.EventState {
				states = append(states, string(e.Outcome))
			}
			if e.Target != "app" || e.At.IsZero() || e.Type == policy.EventStep || e.Type == policy.EventAgent {
				t.Errorf("recorded %+v", e)
			}
		}
		if want := []string{"applying", "verifying", "validating", "committed"}; !slices.Equal(states, want) {
			t.Errorf("recorded the states %v, want %v", states, want)
		}
	})
}

// A platform that takes no events holds nothing up, and is logged once.
func TestEventsThatThePlatformDoesNotTake(t *testing.T) {
	inFleet(t, func(w *world) {
		w.fleet.Hang("event", true)
		for range 2 * recordQueue {
			w.agent.emit(policy.Event{Type: policy.EventFailure, Severity: policy.Critical, Target: "app", Message: "m"})
		}
		w.pass(10 * time.Minute)
		w.expect(actuators.Committed)
		w.fleet.Hang("event", false)
	})
}
