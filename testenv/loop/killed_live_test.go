package loop_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2EKilledLive kills engramd in every state of a live change, also between a call and its answer.
func TestE2EKilledLive(t *testing.T) {
	t.Parallel()
	update, inspect := loop.Call("POST /update"), loop.Call("GET /json")
	k := prepareKills(t, "live", []kill{
		{name: "waiting", mode: "approve", state: "waiting"},
		{
			name: "not-told", state: "applying", ends: takenBack, size: small, same: true,
			hold: func(g *loop.Gate) *loop.Hold { return g.Before(1, update) },
		},
		{
			name: "not-answered", state: "applying", ends: stays, size: big, same: true,
			hold: func(g *loop.Gate) *loop.Hold { return g.After(1, update) },
		},
		{
			name: "verifying", state: "verifying", ends: stays, size: big, same: true,
			hold: func(g *loop.Gate) *loop.Hold { return g.BeforeAfter(inspect, update) },
		},
		{name: "validating", state: "validating", ends: stays, size: big, same: true},
		{
			name: "undo-not-told", state: "rolling_back", ends: takenBack, size: small, same: true,
			hold: func(g *loop.Gate) *loop.Hold { return g.Before(2, update) },
		},
		{
			name: "undo-not-answered", state: "rolling_back", ends: takenBack, size: small, same: true,
			hold: func(g *loop.Gate) *loop.Hold { return g.After(2, update) },
		},
	})
	for _, name := range []string{"undo-not-told", "undo-not-answered"} {
		grown := k.a.Await(t, soon, name+" is in place", func(x loop.Action) bool { return x.Target == name && x.State == "validating" })
		k.a.Do(t, "cancel", grown.ID, "--reason", "a test takes it back")
	}
	k.strike(t)
	k.expect(t)
	for _, v := range k.victims {
		if now := v.c.Inspect(t); now.State.StartedAt != v.identity.State.StartedAt {
			t.Errorf("%s: a live change has restarted it", v.name)
		}
		if v.name == "validating" && !strings.Contains(story(v.action), "watched again from the start") {
			t.Errorf("its validation was not started again: %v", v.action.Times)
		}
	}

	waiting := k.victims[0] // and can be approved
	k.a.Do(t, "approve", waiting.action.ID, "--plan-hash", waiting.action.PlanHash)
	k.a.Await(t, soon, "it is done", func(x loop.Action) bool { return x.ID == waiting.action.ID && x.State == "validating" })
	if got := testenv.CPULimit(t, waiting.c.ID); got != big {
		t.Errorf("after the approval the limit is %v", got)
	}
}

// TestE2EKilledTwice kills engramd twice in one validation: nobody knows then whether the change helped.
func TestE2EKilledTwice(t *testing.T) {
	t.Parallel()
	k := prepareKills(t, "live", []kill{{name: "validating", state: "validating", ends: "inconclusive", size: big, same: true}})
	k.strike(t)
	k.a.Await(t, soon, "it is watched again", func(x loop.Action) bool {
		return x.State == "validating" && strings.Count(story(x), "validating") > 1
	})
	k.strike(t)
	k.expect(t)
	if reason := k.victims[0].action.Reason; !strings.Contains(reason, "restarted twice") {
		t.Errorf("it ended inconclusive for another reason: %s", reason)
	}
}

// story is an action's states with their reasons.
func story(a loop.Action) string {
	var b strings.Builder
	for _, at := range a.Times {
		b.WriteString(at.State + ": " + at.Reason + "\n")
	}
	return b.String()
}
