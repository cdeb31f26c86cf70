package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func metrics(t *testing.T) (*events.Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := events.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

func act(id string, s actuators.ActionState) actuators.Action {
	return actuators.Action{
		ID: id, TargetName: "engram", Resource: policy.CPU, Direction: policy.Growth, From: policy.Amount(500), To: policy.Amount(4000),
		State: s, Plan: actuators.Plan{Strategy: policy.Live},
	}
}

func TestTheAgentsOwnMetrics(t *testing.T) {
	m, registry := metrics(t)
	m.Decided(policy.Decision{Proposal: policy.Proposal{Target: "engram", Policy: "cpu", Verdict: policy.Scale, Change: policy.Change{Resource: policy.CPU}}})
	m.Restored(act("old", actuators.Committed))
	for _, s := range []actuators.ActionState{actuators.Waiting, actuators.Validating, actuators.RolledBack, actuators.RolledBack} {
		m.Action(act("a", s))
	}
	m.Action(act("b", actuators.Validating))
	m.Size("engram", policy.CPU, policy.Amount(500), policy.Amount(4000))
	m.Size("engram", policy.Memory, policy.Unlimited(), policy.Amount(1<<30))
	m.Size("engram", policy.TiersHotThreshold, policy.Amount(300000), policy.Quantity{})
	m.Blind("engram", "cpu", true)
	m.Budget("engram", 3, 11, 4)
	m.Frozen("engram", policy.CPU, true)
	m.Paused("", true)
	m.Standby("engram", false)
	m.Looped(time.Unix(1000, 5e8), time.Millisecond)

	const want = `
# HELP engramd_action_info 1 for each of the newest actions.
# TYPE engramd_action_info gauge
engramd_action_info{from="500m",id="a",outcome="rolled_back",resource="cpu",strategy="live",target="engram",to="4 cores"} 1
engramd_action_info{from="500m",id="b",outcome="validating",resource="cpu",strategy="live",target="engram",to="4 cores"} 1
engramd_action_info{from="500m",id="old",outcome="committed",resource="cpu",strategy="live",target="engram",to="4 cores"} 1
# HELP engramd_action_validating 1 while a change is being watched.
# TYPE engramd_action_validating gauge
engramd_action_validating{resource="cpu",target="engram"} 1
# HELP engramd_actions_total Actions that ended, by how.
# TYPE engramd_actions_total counter
engramd_actions_total{direction="growth",outcome="rolled_back",resource="cpu",target="engram"} 1
# HELP engramd_budget_left Changes left in the budget.
# TYPE engramd_budget_left gauge
engramd_budget_left{budget="day",target="engram"} 11
engramd_budget_left{budget="emergency",target="engram"} 4
engramd_budget_left{budget="hour",target="engram"} 3
# HELP engramd_current_size Effective size, in cores, bytes, seconds, a ratio or a count; +Inf is unlimited.
# TYPE engramd_current_size gauge
engramd_current_size{resource="cpu",target="engram"} 0.5
engramd_current_size{resource="memory",target="engram"} +Inf
engramd_current_size{resource="tiers.hot_threshold",target="engram"} 0.3
# HELP engramd_decisions_total Decisions made, identical ones in a row counted each time.
# TYPE engramd_decisions_total counter
engramd_decisions_total{policy="cpu",resource="cpu",target="engram",verdict="scale"} 1
# HELP engramd_desired_size Size that the agent would have, in the unit of engramd_current_size.
# TYPE engramd_desired_size gauge
engramd_desired_size{resource="cpu",target="engram"} 4
engramd_desired_size{resource="memory",target="engram"} 1.073741824e+09
# HELP engramd_frozen 1 while a resource is frozen; resource is empty for all of them.
# TYPE engramd_frozen gauge
engramd_frozen{resource="cpu",target="engram"} 1
# HELP engramd_loop_last_timestamp_seconds When the last round ended.
# TYPE engramd_loop_last_timestamp_seconds gauge
engramd_loop_last_timestamp_seconds 1000.5
# HELP engramd_paused 1 while a target is paused; target is empty for all of them.
# TYPE engramd_paused gauge
engramd_paused{target=""} 1
# HELP engramd_policy_blind 1 while a policy cannot see a signal that it needs.
# TYPE engramd_policy_blind gauge
engramd_policy_blind{policy="cpu",target="engram"} 1
# HELP engramd_standby 1 while another agent holds the target.
# TYPE engramd_standby gauge
engramd_standby{target="engram"} 0
`
	names := []string{
		"engramd_action_info", "engramd_action_validating", "engramd_actions_total", "engramd_budget_left", "engramd_current_size",
		"engramd_decisions_total", "engramd_desired_size", "engramd_frozen", "engramd_loop_last_timestamp_seconds", "engramd_paused",
		"engramd_policy_blind", "engramd_standby",
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}

	m.Size("engram", policy.CPU, policy.Quantity{}, policy.Quantity{}) // it is gone: no sample, not zero
	m.ForgetPolicy("engram", "cpu")
	if n := testutil.CollectAndCount(gatherer{registry}, "engramd_current_size", "engramd_policy_blind"); n != 2 {
		t.Errorf("%d samples left", n)
	}
	m.Forget("engram")
	if n := testutil.CollectAndCount(gatherer{registry}, "engramd_current_size", "engramd_budget_left", "engramd_frozen", "engramd_standby"); n != 0 {
		t.Errorf("%d samples of a target that is gone", n)
	}
}

// A gatherer lets a registry be counted.
type gatherer struct{ *prometheus.Registry }

func TestOnlyTheNewestActionsHaveASample(t *testing.T) {
	m, registry := metrics(t)
	for n := range 300 {
		m.Action(act(fmt.Sprint("a", n), actuators.Committed))
	}
	if n, err := testutil.GatherAndCount(registry, "engramd_action_info"); err != nil || n != 200 {
		t.Errorf("%d samples, %v", n, err)
	}
}

func TestLintClean(t *testing.T) {
	m, registry := metrics(t)
	m.Action(act("a", actuators.Committed))
	m.Size("engram", policy.CPU, policy.Amount(1), policy.Amount(1))
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// The rule ScalingIneffective asks when the agent last grew something: also after a restart, and not
// for what never took effect.
func TestLastChange(t *testing.T) {
	m, registry := metrics(t)
	old := act("old", actuators.Committed)
	old.Times = []actuators.Transition{
		{State: actuators.Waiting, At: time.Unix(900, 0)}, {State: actuators.Validating, At: time.Unix(1000, 0)}, {State: actuators.Committed, At: time.Unix(2000, 0)},
	}
	m.Restored(old)
	rejected := act("rejected", actuators.Rejected)
	rejected.Resource = policy.Memory
	rejected.Times = []actuators.Transition{{State: actuators.Waiting, At: time.Unix(3000, 0)}, {State: actuators.Rejected, At: time.Unix(3001, 0)}}
	m.Action(rejected)
	const want = `
# HELP engramd_last_change_timestamp_seconds When the agent last changed a resource, undos aside.
# TYPE engramd_last_change_timestamp_seconds gauge
engramd_last_change_timestamp_seconds{direction="growth",resource="cpu",target="engram"} 1000
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "engramd_last_change_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}
