package agent

import (
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// spent counts what the budgets of app have paid.
func (w *world) spent() int {
	return ask(w, func(l *loop) int { return len(l.targets["app"].ledger.Spent) })
}

// While the executor looks at the target once more nothing else begins, and nothing is paid for.
func TestAHandedOverActionHasTheTargetForItself(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 16))
		w.seesCPU()
		w.edit("per_hour: 4", "per_hour: 2")
		w.edit("up: 1m", "up: 0s")
		w.driver.Fail(fake.Fault{Op: "observe", Nth: 5, Late: 100 * time.Second}) // after four collections
		w.start("agent.yaml")
		w.pass(2 * time.Minute)
		if got := w.actions(); len(got) != 0 {
			t.Errorf("%d actions have begun: %+v", len(got), got)
		}
		if n := w.spent(); n != 1 {
			t.Errorf("the budget has paid for %d changes, want 1", n)
		}
		w.pass(20 * time.Minute)
		if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(4000) {
			t.Errorf("cpu is %s, want two growths", got)
		}
		if n := w.spent(); n != 2 {
			t.Errorf("the budget has paid for %d changes, want 2", n)
		}
	})
}

// A freeze that this very tick has found reason for holds in this very tick.
func TestAReversalFreezesAtOnce(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.edit("for: 30s", "for: 0s")
		w.edit("up: 1m", "up: 0s")
		w.start("agent.yaml")
		for range 2 {
			w.pass(15 * time.Minute)
			w.driver.Set("app", policy.CPU, policy.Amount(1000))
		}
		w.pass(30 * time.Minute)
		if n := len(w.actions()); n != 2 {
			t.Errorf("%d actions, want 2: the third came after the freeze", n)
		}
	})
}

// Two changes of one row share the target and its budget: the second waits for the first, and is paid
// for by what is left.
func TestChangesOfOneRowFollowOneAnother(t *testing.T) {
	inEmptyWorld(t, "row_of_two", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(30 * time.Minute)
		if n := w.spent(); n != 2 {
			t.Errorf("the budget of 2 has paid for %d", n)
		}
	})
}

// An action that is slow to listen, because its health endpoint hangs, holds up nobody else; the growth
// that follows it begins once it has listened.
func TestASlowEndpointHoldsUpNobody(t *testing.T) {
	inEmptyWorld(t, "slow_endpoint", func(w *world) {
		w.driver.Add("app", busy(1000, 16))
		w.driver.Add("db", busy(1000, 0.5))
		w.seesCPU()
		w.querier.Define("db", func(at time.Time) (float64, bool) {
			if at.Minute() >= 3 {
				return 100, true
			}
			return 50, true
		})
		w.driver.Fail(fake.Fault{Op: "http", Kind: "/health", Hang: true, Times: -1})
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
	})
}

// Two people, or one twice, approve the same change with a reversal between: these are two decisions,
// each with its own action and outcome.
func TestEachActionHasItsDecision(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.edit("mode: auto", "mode: approve")
		w.start("agent.yaml")
		for range 2 {
			w.pass(20 * time.Minute)
			one := w.onlyWaiting()
			if _, err := w.agent.Approve(w.t.Context(), one.ID, api.ApproveRequest{}); err != nil {
				t.Fatal(err)
			}
			w.pass(20 * time.Minute)
			w.driver.Set("app", policy.CPU, policy.Amount(1000))
		}
		w.pass(time.Minute)
		w.ended()
		ds, err := w.agent.Decisions(w.t.Context(), api.DecisionQuery{})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, d := range ds {
			if d.Refused == "" && (d.ActionID == "" || seen[d.ActionID] || d.Outcome != actuators.Committed || d.Count < 2) {
				t.Errorf("decision %s: action %q, outcome %q, seen %d times", d.ID, d.ActionID, d.Outcome, d.Count)
			}
			seen[d.ActionID] = true
		}
		if len(seen) < 2 {
			t.Errorf("%d decisions for two actions", len(ds))
		}
	})
}
