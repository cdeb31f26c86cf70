package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/journal/hostlock"
	"github.com/engramd/engramd/policy"
)

func (w *world) lockDir() hostlock.Dir { return hostlock.Dir(filepath.Join(w.locks, "engramd")) }

// take holds the lock of app as another agent would, until it is given back.
func (w *world) take() *hostlock.Lock {
	w.t.Helper()
	lock, err := w.lockDir().TryLock("fake/app", "/other")
	if err != nil {
		w.t.Fatal(err)
	}
	return lock
}

func (w *world) removeLock() {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.locks, "engramd", "*.lock"))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("lock files: %v, %v", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		w.t.Fatal(err)
	}
}

// Somebody removes the lock file in the middle of a change: nothing is touched until the lock was taken
// again, and then the action is brought to its end.
func TestTheLockIsLostWhileActing(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		w.life.watch(func(e policy.Event) {
			if e.Details["op"] == "do" {
				w.life.watch(nil)
				w.removeLock()
			}
		})
		w.pass(10 * time.Second)
		if n := w.driver.Calls("do"); n != 0 {
			t.Errorf("%d steps were done without the lock", n)
		}
		w.pass(10 * time.Minute)
		w.expect(actuators.RolledBack, actuators.Committed)
		w.ended()
	})
}

// The same, and another agent takes the target: this one leaves everything to it, decides nothing, and
// ends what it finds when the other is gone.
func TestAnotherAgentTakesTheTarget(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		var other *hostlock.Lock
		w.life.watch(func(e policy.Event) {
			if e.Details["op"] == "do" {
				w.life.watch(nil)
				w.removeLock()
				other = w.take()
			}
		})
		w.pass(10 * time.Minute)
		if left, err := other.Read(); err != nil || len(left) != 1 || left[0].State != actuators.Applying {
			t.Errorf("the other agent finds %+v, %v", left, err)
		}
		s, err := w.agent.Status(w.t.Context())
		if err != nil || s.Targets[0].State != api.TargetStandby || s.Targets[0].Holder == nil || s.Targets[0].Holder.DataDir != "/other" {
			t.Errorf("status: %+v, %v", s.Targets, err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if n := w.driver.Calls("do"); n != 0 {
			t.Errorf("%d steps were done without the lock", n)
		}
		w.pass(10 * time.Minute)
		w.expect(actuators.RolledBack, actuators.Committed)
		w.ended()
	})
}

// An agent with a data_dir of its own stands by while the first one lives, and takes its open action
// over when it is killed.
func TestASecondAgentTakesOver(t *testing.T) {
	for _, state := range []actuators.ActionState{actuators.Applying, actuators.Validating} {
		t.Run(string(state), func(t *testing.T) {
			inEmptyWorld(t, "take_over "+string(state), func(w *world) {
				w.keyed = true
				w.driver.Add("app", busy(1000, 1.6))
				w.seesCPU()
				w.start("agent.yaml")
				first, firstDir := w.life, w.dir
				w.pass(20 * time.Second)
				w.note("a second agent starts")
				w.dir = t.TempDir()
				w.start("agent.yaml")
				second, dir := w.life, w.dir
				w.agent, w.life, w.stop, w.dir = first.agent, first, first.stop, firstDir
				w.killAt(string(state), func(e policy.Event) bool { return e.Outcome == state })
				w.agent, w.life, w.dir = second.agent, second, dir
				w.stop = second.stop
				w.pass(20 * time.Minute)
				for _, a := range w.actions() {
					if !actuators.Final(a.State) {
						t.Errorf("action %s is left %s", a.ID, a.State)
					}
				}
				w.sized(2000, 1<<30)
				if got := w.originals(); len(got) != 1 {
					t.Errorf("the second agent could give back %v, want cpu", got)
				}
				w.stop()
				lock := w.take()
				defer lock.Close()
				if left, err := lock.Read(); err != nil || len(left) != 0 {
					t.Errorf("records are left: %+v, %v", left, err)
				}
			})
		})
	}
}

// The record of an action that the agent's own journal knows to have ended is cleared, not followed.
func TestARecordOfWhatHasEnded(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		old := w.actions()[0]
		w.stop()
		old.State = actuators.Applying
		lock := w.take()
		if err := lock.Record(old); err != nil {
			t.Fatal(err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		w.expect(actuators.Committed)
		w.stop()
		lock = w.take()
		defer lock.Close()
		if left, err := lock.Read(); err != nil || len(left) != 0 {
			t.Errorf("records are left: %+v, %v", left, err)
		}
	})
}

// On standby nothing that others do to the target is taken for a reversal of our changes.
func TestOnStandbyNothingIsAReversal(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		w.removeLock()
		other := w.take()
		w.driver.Set("app", policy.CPU, policy.Amount(1000))
		w.pass(10 * time.Minute)
		if got := w.actions()[0]; !got.ReversedAt.IsZero() {
			t.Error("the other agent's change was taken for a reversal")
		}
		w.expect(actuators.Committed)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// An agent in a dry run decides beside the one that acts, and keeps nobody from the target; what it has
// begun before, and what it is asked to give back, it still does with the lock.
func TestADryRunTakesNoLock(t *testing.T) {
	t.Run("beside another agent", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			w.keyed = true
			w.driver.Add("app", busy(1000, 1.6))
			w.seesCPU()
			w.edit("mode: auto", "mode: dry-run")
			other := w.take()
			w.start("agent.yaml")
			w.pass(5 * time.Minute)
			if ds, err := w.agent.Decisions(w.t.Context(), api.DecisionQuery{}); err != nil || len(ds) == 0 {
				t.Errorf("beside another agent it decides %v, %v", ds, err)
			}
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
			w.isFree("app")
		})
	})
	t.Run("turned on and off", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			w.keyed = true
			w.grown()
			w.edit("mode: auto", "mode: dry-run")
			w.reload()
			w.pass(time.Minute)
			w.isFree("app")
			w.release()
			w.pass(40 * time.Minute)
			w.sized(1000, 1<<30)
			w.pass(time.Minute)
			w.isFree("app")
			if err := w.agent.Unfreeze(w.t.Context(), api.UnfreezeRequest{Target: "app"}); err != nil {
				t.Fatal(err)
			}
			w.edit("mode: dry-run", "mode: auto")
			w.reload()
			w.pass(40 * time.Minute)
			w.sized(2000, 2<<30)
		})
	})
}
