package loop_test

import (
	"slices"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// second starts another engramd for the same containers, with a data_dir of its own and no gate before the engine. It asks
// before it begins anything, so that what it does without being asked is what it has taken over.
func (k *killing) second(t *testing.T) *loop.Agent {
	t.Helper()
	values := loop.Values{"mode": "approve", "apply": k.values["apply"], "cooldown": "1h"}
	targets := slices.Clone(k.values["targets"].([]killedTarget))
	for i := range targets {
		targets[i].Host, targets[i].Mode = k.d.Host(), ""
	}
	values["targets"] = targets
	return loop.Start(t, doubled, values)
}

// expectStandby wants every target of an agent to stand by for the other one, and to say for whom.
func (k *killing) expectStandby(t *testing.T, of, holder *loop.Agent) {
	t.Helper()
	for _, v := range k.victims {
		target := of.Target(t, v.name)
		if h := target.Holder; target.State != "standby" || target.Detail == "" || h == nil || h.PID != holder.PID() || h.DataDir != holder.Dir {
			t.Errorf("%s is %s (%s), held by %+v; want standby, held by process %d with %s", v.name, target.State, target.Detail, h, holder.PID(), holder.Dir)
		}
	}
	if all := of.Actions(t); len(all) > 0 {
		t.Errorf("it has actions while it stands by:\n%s", loop.Story(all))
	}
}

// takeOver has a second engramd stand by for a first one, which is killed in the middle of its actions: the second ends them
// as the first would have. Then it is killed in turn, and the first finds everything done.
func takeOver(t *testing.T, apply string, kills []kill) {
	k := prepareKills(t, apply, kills)
	first := k.a
	second := k.second(t)
	k.gather(t)
	k.expectStandby(t, second, first)
	first.Kill(t)
	for _, v := range k.victims {
		v.gate.Drop()
	}
	k.a = second
	k.expect(t)
	var ids []string
	for _, v := range k.victims {
		testenv.Eventually(t, soon, v.name+" is held", func() bool { return second.Target(t, v.name).State != "standby" })
		ids = append(ids, k.d.Inspect(t, v.name).ID)
	}

	k.values["mode"] = "approve"
	first.Configure(t, doubled, k.values)
	first.Start(t)
	for _, v := range k.victims {
		if target := first.Target(t, v.name); target.State != "standby" {
			t.Errorf("the first is back: %s is %s", v.name, target.State)
		}
	}
	second.Kill(t)
	for i, v := range k.victims {
		testenv.Eventually(t, soon, v.name+" is held again", func() bool { return first.Target(t, v.name).State != "standby" })
		first.Await(t, recoveredWithin, "the action on "+v.name+" is over for the first, too", func(x loop.Action) bool { return x.ID == v.action.ID && x.Final() })
		if now := k.d.Inspect(t, v.name); now.ID != ids[i] || testenv.CPULimit(t, now.ID) != v.size {
			t.Errorf("%s: the first has changed it: the same container %v, the limit %v", v.name, now.ID == ids[i], testenv.CPULimit(t, now.ID))
		}
	}
	k.census.Expect(t)
}

func TestE2ESecondTakesOverLive(t *testing.T) {
	t.Parallel()
	takeOver(t, "live", []kill{
		{name: "applying-not-told", state: "applying", hold: before(1, "POST /update"), ends: takenBack, size: small, same: true},
		{name: "applying-not-answered", state: "applying", hold: after(1, "POST /update"), ends: stays, size: big, same: true},
		{name: "validating", state: "validating", ends: stays, size: big, same: true},
	})
}

func TestE2ESecondTakesOverRestart(t *testing.T) {
	t.Parallel()
	takeOver(t, "restart", []kill{
		{name: "draining", state: "draining", busy: true, ends: "cancelled", size: small, same: true},
		{name: "creating", state: "applying", hold: after(1, "POST /create"), ends: takenBack, size: small, same: true},
		{name: "undoing", state: "rolling_back", hold: after(1, "DELETE "), sick: true, ends: takenBack, size: small, same: true},
		{name: "validating", state: "validating", ends: stays, size: big},
	})
}

// TestE2ESecondStandsBy has two engramd for one idle container, and a second container that only the second one has: the
// second acts on its own, and on the common one as soon as the first is gone. A third one is in a dry run, and in nobody's way.
func TestE2ESecondStandsBy(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	var targets []killedTarget
	containers := map[string]*docker.Container{}
	for _, name := range []string{"common", "own"} {
		c := d.Run(t, docker.Spec{Name: name, Image: image, CPUs: small})
		containers[name] = c
		targets = append(targets, killedTarget{Name: name, Host: d.Host(), URL: c.URL, Drain: c.URL, Settle: "5s"})
	}
	trace := loop.WatchCPU(t, containers["common"].ID)
	dry := loop.Start(t, doubled, loop.Values{"mode": "dry-run", "apply": "live", "cooldown": "1h", "targets": targets}) // keeps nobody from anything
	first := loop.Start(t, doubled, loop.Values{"mode": "approve", "apply": "live", "cooldown": "1h", "targets": targets[:1]})
	testenv.Eventually(t, soon, "the first has the container", func() bool { return first.Target(t, "common").State == "waiting" })
	second := loop.Start(t, doubled, loop.Values{"mode": "auto", "apply": "live", "cooldown": "1h", "targets": targets})

	second.Await(t, soon, "the second changes what is its own", func(x loop.Action) bool { return x.Target == "own" && x.Final() })
	if target := second.Target(t, "common"); target.State != "standby" || target.Holder == nil || target.Holder.PID != first.PID() || target.Holder.DataDir != first.Dir {
		t.Errorf("the common container is %s (%s), held by %+v, want standby, held by process %d", target.State, target.Detail, target.Holder, first.PID())
	}
	expectLimits(t, trace, small)
	if target := dry.Target(t, "common"); target.State == "standby" || len(dry.Decisions(t)) == 0 {
		t.Errorf("the dry run is %s (%s), and decides %v", target.State, target.Detail, dry.Decisions(t))
	}
	first.Stop(t) // in an orderly way this time
	second.Await(t, soon, "the second changes the common one", func(x loop.Action) bool { return x.Target == "common" && x.Final() })
	expectLimits(t, trace, small, big)
	if all := second.Actions(t); len(all) != 2 {
		t.Errorf("there are %d actions, want 2:\n%s", len(all), loop.Story(all))
	}
}
