package agent

import (
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

var beginning = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// busyFor is a service that wants 1.6 cores for a while after the beginning, and next to nothing then.
func busyFor(d time.Duration) fake.Service {
	s := busy(1000, 0)
	s.Load = func(now time.Time) fake.Load {
		if now.Sub(beginning) > d {
			return fake.Load{Cores: 0.5, Memory: 1 << 20}
		}
		return fake.Load{Cores: 1.6, Memory: 1 << 20}
	}
	return s
}

// waits starts an agent at a slow pace that has one action waiting for a maintenance window, and
// changes agent.yaml before by pairs of old and new.
func (w *world) waits(s fake.Service, edits ...string) api.ActionView {
	w.t.Helper()
	s.Restart = []policy.Resource{policy.CPU}
	w.driver.Add("app", s)
	w.seesCPU()
	w.edit("interval: 15s", "interval: 5m")
	w.edit("every: 15s", "every: 5m")
	w.edit("targets:", `maintenance_windows: [{name: night, cron: "0 2 5 * *", duration: 1h, time_zone: UTC}]`+"\ntargets:")
	w.edit("limits:", "maintenance_window: night\n    limits:")
	for i := 0; i < len(edits); i += 2 {
		w.edit(edits[i], edits[i+1])
	}
	w.start("agent.yaml")
	w.pass(20 * time.Minute)
	return w.onlyWaiting()
}

// states are those of all actions, oldest first.
func (w *world) states() (all []actuators.ActionState) {
	for _, a := range w.actions() {
		all = append(all, a.State)
	}
	return all
}

func (w *world) expect(want ...actuators.ActionState) {
	w.t.Helper()
	got := w.states()
	same := len(got) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = got[i] == want[i]
	}
	if !same {
		w.t.Errorf("the actions are %v, want %v", got, want)
	}
}

// What nobody approved in time is over, also while its condition is not gone for good.
func TestAnExpiredProposalStaysExpired(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.waits(busyFor(30*time.Minute), "mode: auto", "mode: approve", "safety: {", "safety: {approval_ttl: 1h, ")
		w.pass(60 * time.Hour)
		w.expect(actuators.Expired)
	})
}

// A restart does not take a condition for gone that has held all the time, nor does it give a deadline
// anew.
func TestARestartKnowsWhenAConditionHeld(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		first := w.waits(busy(1000, 1.6), "change: {cpu: {by: x2}}}", "change: {cpu: {by: x2}}, within: 6d}")
		w.pass(60 * time.Hour)
		w.killNow()
		w.start("agent.yaml")
		w.pass(time.Hour)
		if again := w.onlyWaiting(); again.ID != first.ID || !again.Deadline.Equal(first.Deadline) {
			t.Errorf("it waits as %s until %s, before as %s until %s", again.ID, again.Deadline, first.ID, first.Deadline)
		}
		w.expect(actuators.Waiting)
	})
}

// While the agent was away for longer than recheck nobody knows whether the condition held.
func TestAfterALongAbsenceItIsAskedAgain(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.waits(busy(1000, 1.6))
		w.killNow()
		w.pass(25 * time.Hour)
		w.start("agent.yaml")
		w.pass(time.Hour)
		w.expect(actuators.Cancelled, actuators.Waiting)
	})
}

func TestTheConfigurationNoLongerAsks(t *testing.T) {
	remove := []string{"- name: cpu\n    target: app", "- name: other\n    target: app"}
	tests := map[string]struct {
		edits []string
		want  []actuators.ActionState
	}{
		"the policy is gone":    {[]string{remove[0], remove[1], "for: 30s", "for: 30d"}, []actuators.ActionState{actuators.Cancelled}},
		"another row":           {[]string{"\">= 85\"}, for: 30s", "\">= 85\"}, for: 30d", "30..85", "30..84", ">= 85", ">= 84"}, []actuators.ActionState{actuators.Cancelled}},
		"another change":        {[]string{"by: x2", "by: 500m"}, []actuators.ActionState{actuators.Cancelled, actuators.Waiting}},
		"another limit":         {[]string{"max: 4", "max: 1500m", "[0.5, 1, 1.5, 2, 4, 8]", "[0.5, 1, 1.5]"}, []actuators.ActionState{actuators.Cancelled, actuators.Waiting}},
		"a plan only":           {[]string{"do: scale", "do: plan"}, []actuators.ActionState{actuators.Cancelled, actuators.Waiting}},
		"the same, for longer":  {[]string{"for: 30s", "for: 1m"}, []actuators.ActionState{actuators.Waiting}},
		"another maintenance":   {[]string{"0 2 5 * *", "0 2 6 * *"}, []actuators.ActionState{actuators.Waiting}},
		"no target":             {[]string{"name: app", "name: db", "target: app", "target: db"}, []actuators.ActionState{actuators.Cancelled, actuators.Waiting}},
		"another container":     {[]string{"service: app", "service: db"}, []actuators.ActionState{actuators.Cancelled, actuators.Waiting}},
		"approval, not waiting": {[]string{"mode: auto", "mode: approve"}, []actuators.ActionState{actuators.Waiting}},
	}
	for name, test := range tests {
		for how, next := range map[string]func(*world){
			"reload":  (*world).reload,
			"restart": func(w *world) { w.stop(); w.start("agent.yaml") },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				inEmptyWorld(t, "", func(w *world) {
					db := busy(1000, 0.5)
					db.Restart = []policy.Resource{policy.CPU}
					w.driver.Add("db", db)
					w.waits(busy(1000, 1.6))
					for i := 0; i < len(test.edits); i += 2 {
						w.edit(test.edits[i], test.edits[i+1])
					}
					next(w)
					w.pass(time.Hour)
					w.expect(test.want...)
				})
			})
		}
	}
}

// A window that is still to come finds the approval valid, however far away it is.
func TestAnApprovalOutlastsTheWindowItWaitsFor(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		one := w.waits(busy(1000, 1.6), "mode: auto", "mode: approve")
		if _, err := w.agent.Approve(w.t.Context(), one.ID, api.ApproveRequest{Asked: api.Asked{By: "ada"}}); err != nil {
			t.Fatal(err)
		}
		w.pass(30 * time.Hour)
		if now := w.onlyWaiting(); now.Held == nil || now.Held.By != policy.HeldByWindow {
			t.Errorf("it is held by %+v, want the window", now.Held)
		}
		w.killNow()
		w.start("agent.yaml")
		w.pass(4 * 24 * time.Hour)
		w.expect(actuators.Committed)
		if got := w.actions()[0]; got.ID != one.ID || got.Approval == nil || got.Approval.By != "ada" {
			t.Errorf("%s was carried out, approved %+v", got.ID, got.Approval)
		}
	})
}

// A person who is asked late has as long to answer as one who is asked at once.
func TestTheTimeToAnswerBeginsWithTheQuestion(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		one := w.waits(busy(1000, 1.6))
		w.pass(48 * time.Hour)
		w.edit("mode: auto", "mode: approve")
		w.reload()
		w.pass(20 * time.Hour)
		if still := w.onlyWaiting(); still.ID != one.ID {
			t.Errorf("it waits as %s, before as %s", still.ID, one.ID)
		}
		w.pass(5 * time.Hour)
		w.expect(actuators.Expired, actuators.Waiting) // asked again: the condition holds
	})
}

// What a person does not want is not asked for again until retry_after, whatever the load.
func TestANoIsRemembered(t *testing.T) {
	for outcome, say := range map[actuators.ActionState]func(*world, string) error{
		actuators.Rejected: func(w *world, id string) error {
			_, err := w.agent.Reject(w.t.Context(), id, api.ReasonRequest{Reason: "no"})
			return err
		},
		actuators.Cancelled: func(w *world, id string) error {
			_, err := w.agent.Cancel(w.t.Context(), id, api.ReasonRequest{Reason: "no"})
			return err
		},
	} {
		t.Run(string(outcome), func(t *testing.T) {
			inEmptyWorld(t, "", func(w *world) {
				s, cores := wanting(1000, 1.6)
				one := w.waits(s, "mode: auto", "mode: approve")
				if err := say(w, one.ID); err != nil {
					t.Fatal(err)
				}
				w.pass(time.Hour)
				cores.turn(3)
				w.pass(time.Hour)
				w.killNow()
				w.start("agent.yaml")
				w.pass(20 * time.Hour)
				w.expect(outcome)
				w.pass(4 * time.Hour)
				w.expect(outcome, actuators.Waiting)
			})
		})
	}
}

// A deadline is met over restarts: asked before it, or run at it.
func TestDeadlinesOverRestarts(t *testing.T) {
	t.Run("run", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			w.waits(busy(1000, 1.6), "change: {cpu: {by: x2}}}", "change: {cpu: {by: x2}}, within: 6h, at_deadline: run}")
			w.pass(5 * time.Hour)
			w.expect(actuators.Waiting)
			w.killNow()
			w.start("agent.yaml")
			w.pass(30 * time.Minute)
			w.expect(actuators.Waiting)
			w.pass(time.Hour)
			w.expect(actuators.Committed)
			if at := w.actions()[0].Times[2].At; at.Sub(beginning) < 6*time.Hour || at.Sub(beginning) > 6*time.Hour+20*time.Minute {
				t.Errorf("it ran at %s, want six hours after it was decided", at)
			}
		})
	})
	t.Run("ask", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			one := w.waits(busy(1000, 1.6), "change: {cpu: {by: x2}}}", "change: {cpu: {by: x2}}, within: 6h}")
			if one.Held.By != policy.HeldByApproval {
				t.Errorf("it is held by %+v, want approval: no window comes in time", one.Held)
			}
			w.pass(5 * time.Hour)
			w.killNow()
			w.start("agent.yaml")
			w.pass(10 * time.Hour)
			w.expect(actuators.Waiting)
			w.pass(12 * time.Hour)
			w.expect(actuators.Expired, actuators.Waiting)
		})
	})
}
