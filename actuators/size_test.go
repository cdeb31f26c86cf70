package actuators_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

func TestSame(t *testing.T) {
	n := policy.Amount
	cases := []struct {
		res       policy.Resource
		got, want policy.Quantity
		same      bool
	}{
		{policy.CPU, n(500), n(500), true},
		{policy.CPU, n(1340), n(1333), true}, // systemd and the kubelet round up to 10 ms
		{policy.CPU, n(500), n(520), false},
		{policy.Memory, n(1<<30 - 4096), n(1 << 30), true},
		{policy.Memory, n(1<<30 - 1<<20), n(1 << 30), false},
		{policy.Replicas, n(2), n(3), false},
		{policy.CPU, policy.Unlimited(), policy.Quantity{}, true},
		{policy.CPU, policy.Unlimited(), n(500), false},
		{policy.CPU, n(500), policy.Quantity{}, false},
		{policy.CPUs, policy.Set("2-3"), policy.Set("2-3"), true},
		{policy.CPUs, policy.Set("2-3"), policy.Set("0-1"), false},
		{policy.CPUs, policy.Set("2-3"), policy.Unlimited(), false},
		{policy.CPUs, policy.Quantity{}, policy.Set("2-3"), false},
		{policy.CPUs, policy.Quantity{}, policy.Unlimited(), true},
	}
	for _, c := range cases {
		if got := actuators.Same(c.res, c.got, c.want); got != c.same {
			t.Errorf("Same(%s, %s, %s) = %t", c.res, c.got, c.want, got)
		}
	}
}

func TestPlanHash(t *testing.T) {
	plan := actuators.Plan{Strategy: policy.Live, Steps: []actuators.Step{{Kind: "update", Args: json.RawMessage(`{"n":1}`)}}, Command: "a"}
	from, to := policy.Amount(1), policy.Amount(2)
	hash := actuators.PlanHash(from, to, plan)
	same := plan
	same.Command = "b"
	if actuators.PlanHash(from, to, same) != hash {
		t.Error("the command's wording changes the hash")
	}
	other := plan
	other.Steps = []actuators.Step{{Kind: "update", Args: json.RawMessage(`{"n":2}`)}}
	broken := plan
	broken.Steps = []actuators.Step{{Args: json.RawMessage(`{`)}}
	for _, h := range []string{
		actuators.PlanHash(from, to, other), actuators.PlanHash(from, policy.Unlimited(), plan),
		actuators.PlanHash(policy.Quantity{}, to, plan), actuators.PlanHash(from, to, broken),
	} {
		if h == hash || h == "" {
			t.Errorf("another plan has hash %q", h)
		}
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ended is an action that ended in a state some time before noon.
func ended(state actuators.ActionState, ago time.Duration, edits ...func(*actuators.Action)) actuators.Action {
	a := actuators.Action{
		ID: "a", TargetName: "web", Resource: policy.CPU, From: policy.Amount(1000), To: policy.Amount(2000),
		State: state, Done: 1, Times: []actuators.Transition{{State: state, At: noon.Add(-ago)}},
		Parts: []actuators.PartID{{ID: "1", Name: "web"}},
	}
	a.Decision.Target, a.Decision.Policy, a.Decision.Row = "web", "cpu", 3
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func part(name, id string, cpu int64) actuators.Part {
	return actuators.Part{Name: name, ID: id, Running: true, Effective: policy.Size{policy.CPU: policy.Amount(cpu)}}
}

func TestReversed(t *testing.T) {
	reborn := part("web", "1", 1000)
	reborn.Life = "since the restart"
	cases := []struct {
		name  string
		a     actuators.Action
		parts []actuators.Part
		want  bool
	}{
		{"back", ended(actuators.Committed, time.Hour), []actuators.Part{part("web", "1", 1000)}, true},
		{"back, recreated", ended(actuators.Committed, time.Hour), []actuators.Part{part("web", "2", 1000)}, true},
		{"back, because what it was told ended", ended(actuators.Committed, time.Hour), []actuators.Part{reborn}, false},
		{"a new pod", ended(actuators.Committed, time.Hour), []actuators.Part{part("web-x", "2", 1000)}, false},
		{"a new pod beside one of ours", ended(actuators.Committed, time.Hour), []actuators.Part{part("web", "1", 2000), part("web-x", "2", 1000)}, false},
		{"still there", ended(actuators.Committed, time.Hour), []actuators.Part{part("web", "1", 2000)}, false},
		{"somewhere else", ended(actuators.Committed, time.Hour), []actuators.Part{part("web", "1", 3000)}, false},
		{"too long ago", ended(actuators.Committed, 8*24*time.Hour), []actuators.Part{part("web", "1", 1000)}, false},
		{"we did it", ended(actuators.RolledBack, time.Hour), []actuators.Part{part("web", "1", 1000)}, false},
		{"told already", ended(actuators.Committed, time.Hour, func(a *actuators.Action) { a.ReversedAt = noon }), []actuators.Part{part("web", "1", 1000)}, false},
		{"gone", ended(actuators.Committed, time.Hour), nil, false},
	}
	for _, c := range cases {
		if got := actuators.Reversed(c.a, actuators.State{Parts: c.parts}, noon); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestHistory(t *testing.T) {
	reversed := func(ago time.Duration) func(*actuators.Action) {
		return func(a *actuators.Action) { a.ReversedAt = noon.Add(-ago) }
	}
	history := []actuators.Action{
		ended(actuators.Committed, 9*24*time.Hour, reversed(8*24*time.Hour)),
		ended(actuators.Committed, 3*24*time.Hour, reversed(2*24*time.Hour)),
		ended(actuators.Insufficient, time.Hour, reversed(time.Minute)),
		ended(actuators.RolledBack, time.Minute),
		ended(actuators.Kept, time.Second, func(a *actuators.Action) { a.Done = 0 }), // refused: never done
		ended(actuators.Committed, time.Second, func(a *actuators.Action) { a.TargetName = "db" }),
	}
	if n := actuators.Reversals(history, "web", policy.CPU, noon); n != 2 {
		t.Errorf("Reversals = %d, want 2", n)
	}
}
