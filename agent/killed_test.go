package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
)

// told picks the event whose line in the trace would hold text.
func told(kind policy.EventType, text string) func(policy.Event) bool {
	return func(e policy.Event) bool {
		return e.Type == kind && strings.Contains(string(e.Outcome)+": "+e.Message, text)
	}
}

func entered(s actuators.ActionState) func(policy.Event) bool {
	return func(e policy.Event) bool { return e.Type == policy.EventState && e.Outcome == s }
}

// Wherever the agent is killed, the next one brings what it finds to its end: one container, whole, at
// the old size or the new one, nothing left open, nothing left in maintenance.
func TestKilledAnywhere(t *testing.T) {
	live, restart := busy(1000, 1.6), busy(1000, 1.6)
	restart.Restart = []policy.Resource{policy.CPU}
	useless := busy(1000, 4)
	useless.Load = func(time.Time) fake.Load { return fake.Load{Cores: 4, Threads: 1.005, Memory: 1 << 20} }
	tests := []struct {
		name    string
		service fake.Service
		at      func(policy.Event) bool
	}{
		{"decided", live, told(policy.EventDecision, "1 core -> 2 cores")},
		{"applying", live, entered(actuators.Applying)},
		{"doing", live, told(policy.EventStep, "update cpu")},
		{"verifying", live, entered(actuators.Verifying)},
		{"verified", live, told(policy.EventStep, "app has cpu")},
		{"validating", live, entered(actuators.Validating)},
		{"judging", live, told(policy.EventValidate, "effect 2/3")},
		{"committed", live, entered(actuators.Committed)},
		{"rolling_back", useless, entered(actuators.RollingBack)},
		{"undoing", useless, func(e policy.Event) bool { return e.Details["op"] == "undo" }},
		{"rolled_back", useless, entered(actuators.RolledBack)},
		{"restart_draining", restart, entered(actuators.Draining)},
		{"restart_drained", restart, told(policy.EventStep, "maintenance on")},
		{"restart_stopping", restart, told(policy.EventStep, "stop app")},
		{"restart_renaming", restart, told(policy.EventStep, "rename app")},
		{"restart_creating", restart, told(policy.EventStep, "create app")},
		{"restart_starting", restart, told(policy.EventStep, "start app")},
		{"restart_healthy", restart, told(policy.EventStep, "healthy")},
		{"restart_served", restart, told(policy.EventStep, "maintenance off")},
		{"restart_validating", restart, entered(actuators.Validating)},
		{"restart_committed", restart, entered(actuators.Committed)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inEmptyWorld(t, "killed "+test.name, func(w *world) {
				w.driver.Add("app", test.service)
				w.seesCPU()
				w.start("agent.yaml")
				w.killAt(test.name, test.at)
				w.start("agent.yaml")
				w.pass(20 * time.Minute)
				w.ended()
				if err := w.driver.Check("app", true); err != nil {
					t.Error(err)
				}
				if who := w.driver.Maintenance("app"); who != "" {
					t.Errorf("maintenance is on, by %s", who)
				}
				if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(1000) && got != policy.Amount(2000) {
					t.Errorf("cpu is %s", got)
				}
			})
		})
	}
}

// ended fails unless every action has ended, and no decision says otherwise.
func (w *world) ended() {
	w.t.Helper()
	for _, a := range w.actions() {
		if !actuators.Final(a.State) {
			w.t.Errorf("action %s is left %s: %s", a.ID, a.State, a.Reason)
		}
		if d, err := w.agent.journal.Decision(a.Decision.ID); err != nil || d.Outcome != a.State {
			w.t.Errorf("action %s is %s, its decision says %q: %v", a.ID, a.State, d.Outcome, err)
		}
	}
	for _, t := range w.agent.loop.targets {
		for id, one := range t.running {
			if actuators.Final(one.State) {
				w.t.Errorf("action %s is %s, and still taken for running", id, one.State)
			}
		}
		if len(t.leftovers) > 0 {
			w.t.Errorf("%d actions left something that was not cleared away", len(t.leftovers))
		}
	}
}
