package agent

import (
	"context"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// busy is a service that wants so many cores, with a limit on CPU in thousandths of a core.
func busy(limit int64, cores float64) fake.Service {
	return fake.Service{
		Sizes: policy.Size{policy.CPU: policy.Amount(limit), policy.Memory: policy.Amount(1 << 30)},
		Load:  func(time.Time) fake.Load { return fake.Load{Cores: cores, Memory: 256 << 20} },
	}
}

// seesCPU defines the signal cpu: per cent of the limit, over the last minute.
func (w *world) seesCPU() {
	w.querier.Define("cpu", func(at time.Time) (float64, bool) {
		u := w.driver.Used("app", at.Add(-15*time.Second), at)
		if u.Cores == nil || u.CPULimit == nil {
			return 0, false
		}
		return 100 * *u.Cores / *u.CPULimit, true
	})
}

func TestGrowthIsDecidedDoneAndCommitted(t *testing.T) {
	inWorld(t, "growth", busy(1000, 1.6), func(w *world) {
		w.seesCPU()
		w.pass(10 * time.Minute)
	})
}

func TestOneThreadIsTakenBackAndNotTriedAgain(t *testing.T) {
	s := busy(500, 4)
	s.Load = func(time.Time) fake.Load { return fake.Load{Cores: 4, Threads: 1.005, Memory: 1 << 20} }
	inWorld(t, "one_thread", s, func(w *world) {
		w.seesCPU()
		w.pass(2 * time.Hour)
	})
}

func TestDryRunTellsAndTouchesNothing(t *testing.T) {
	inWorld(t, "dry_run", busy(1000, 1.6), func(w *world) {
		w.seesCPU()
		w.pass(20 * time.Minute)
		if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(1000) {
			t.Errorf("cpu is %s after a dry run, want 1000", got)
		}
		if n := w.driver.Calls("do"); n != 0 {
			t.Errorf("a dry run did %d steps", n)
		}
	})
}

func TestApproveBindsToThePlan(t *testing.T) {
	s, _ := wanting(1000, 1.6)
	inWorld(t, "approve", s, func(w *world) {
		w.seesCPU()
		w.pass(2 * time.Minute)
		first := w.onlyWaiting()
		w.note("somebody sets cpu to 1.5 cores")
		w.driver.Set("app", policy.CPU, policy.Amount(1500))
		w.pass(2 * time.Minute)
		w.note("approve the first")
		if _, err := w.agent.Approve(w.t.Context(), first.ID, api.ApproveRequest{}); err == nil {
			t.Error("an approval of a plan that has changed was taken")
		} else {
			w.note(err.Error())
		}
		second := w.onlyWaiting()
		if _, err := w.agent.Approve(w.t.Context(), second.ID, api.ApproveRequest{PlanHash: first.PlanHash}); err == nil {
			t.Error("an approval with the hash of another plan was taken")
		}
		w.note("approve the second")
		if _, err := w.agent.Approve(w.t.Context(), second.ID, api.ApproveRequest{PlanHash: second.PlanHash}); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Minute)
	})
}

func TestRestartWaitsForItsWindow(t *testing.T) {
	s := busy(1000, 1.6)
	s.Restart = []policy.Resource{policy.CPU}
	inWorld(t, "window", s, func(w *world) {
		w.seesCPU()
		w.pass(4 * time.Hour)
	})
}

func TestConditionGoneCancels(t *testing.T) {
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	s := busy(1000, 0)
	s.Restart = []policy.Resource{policy.CPU}
	s.Load = func(now time.Time) fake.Load {
		if now.Sub(begin) > 10*time.Minute {
			return fake.Load{Cores: 0.1}
		}
		return fake.Load{Cores: 1.6}
	}
	inWorld(t, "gone", s, func(w *world) {
		w.seesCPU()
		w.pass(2 * time.Hour)
	})
}

func TestBlindNeverShrinks(t *testing.T) {
	inWorld(t, "blind", busy(4000, 0.2), func(w *world) {
		w.pass(10 * time.Minute)
		w.note("the signal comes")
		w.seesCPU()
		w.pass(20 * time.Minute)
	})
}

func TestPauseAndFreezeHold(t *testing.T) {
	inWorld(t, "pause", busy(1000, 1.6), func(w *world) {
		if _, err := w.agent.Pause(w.t.Context(), api.PauseRequest{Target: "app", Reason: "deploying"}); err != nil {
			t.Fatal(err)
		}
		w.seesCPU()
		w.pass(5 * time.Minute)
		if _, err := w.agent.Freeze(w.t.Context(), api.FreezeRequest{Target: "app", Resource: policy.CPU, Reason: "mine"}); err != nil {
			t.Fatal(err)
		}
		if err := w.agent.Resume(w.t.Context(), api.TargetRequest{Target: "app"}); err != nil {
			t.Fatal(err)
		}
		w.pass(5 * time.Minute)
		if err := w.agent.Unfreeze(w.t.Context(), api.UnfreezeRequest{Target: "app"}); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Minute)
	})
}

func TestAlertActsOnceAnEpisode(t *testing.T) {
	inWorld(t, "alert", busy(1000, 1.6), func(w *world) {
		fire := func(episode string) {
			w.alerts.fire(rules.Alert{
				Name: "ScaleUpCPURequired", State: "firing", Labels: map[string]string{"target": "app"},
				Annotations: map[string]string{"summary": "CPU utilization high"}, ActiveAt: time.Now().Add(-10 * time.Minute), FiredAt: time.Now(), Episode: episode,
			})
		}
		fire("first")
		w.pass(30 * time.Minute)
		w.note("the alert ends and fires again")
		w.alerts.fire()
		w.pass(20 * time.Minute)
		fire("second")
		w.pass(30 * time.Minute)
	})
}

func TestAlertTakesBackWhatWasCommittedLately(t *testing.T) {
	inWorld(t, "alert_rollback", busy(1000, 1.6), func(w *world) {
		w.seesCPU()
		w.pass(10 * time.Minute)
		w.alerts.fire(rules.Alert{
			Name: "ScalingIneffective", State: "firing", Labels: map[string]string{"target": "app"},
			Annotations: map[string]string{"summary": "Recent scaling did not reduce CPU utilization"}, ActiveAt: time.Now(), FiredAt: time.Now(), Episode: "e",
		})
		w.pass(5 * time.Minute)
	})
}

func TestReversalsFreeze(t *testing.T) {
	inWorld(t, "reversals", busy(1000, 1.6), func(w *world) {
		w.seesCPU()
		for range 2 {
			w.pass(15 * time.Minute)
			w.note("somebody sets cpu back to 1 core")
			w.driver.Set("app", policy.CPU, policy.Amount(1000))
		}
		w.pass(30 * time.Minute)
	})
}

func TestReleaseGivesBack(t *testing.T) {
	inWorld(t, "release", busy(1000, 1.6), func(w *world) {
		w.seesCPU()
		w.pass(10 * time.Minute)
		if _, err := w.agent.Pause(w.t.Context(), api.PauseRequest{}); err != nil {
			t.Fatal(err)
		}
		got, err := w.agent.Release(w.t.Context(), api.ReleaseRequest{All: true})
		if err != nil || len(got) != 1 || got[0].ActionID == "" {
			t.Fatalf("release: %+v, %v", got, err)
		}
		w.pass(10 * time.Minute)
		if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(1000) {
			t.Errorf("cpu is %s after the release, want 1000", got)
		}
	})
}

func TestRestartOfTheAgentGoesOn(t *testing.T) {
	inWorld(t, "agent_restart", busy(1000, 1.6), func(w *world) {
		w.seesCPU()
		w.pass(90 * time.Second)
		w.note("the agent stops during the validation, and starts again")
		w.stop()
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
	})
}

func TestBudgetHolds(t *testing.T) {
	inWorld(t, "budget", busy(1000, 16), func(w *world) {
		w.seesCPU()
		w.pass(150 * time.Minute)
	})
}

// onlyWaiting returns the one action that waits.
func (w *world) onlyWaiting() api.ActionView {
	w.t.Helper()
	all, err := w.agent.Actions(context.Background(), api.ActionQuery{Open: true})
	if err != nil || len(all) != 1 {
		w.t.Fatalf("%d open actions, want 1: %v", len(all), err)
	}
	return all[0]
}
