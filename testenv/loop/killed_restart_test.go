package loop_test

import (
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// before and after hold the nth of a call, so that the engine has not seen it, or that engramd does not know that it did.
func before(nth int, call loop.Call) func(*loop.Gate) *loop.Hold {
	return func(g *loop.Gate) *loop.Hold { return g.Before(nth, call) }
}

func after(nth int, call loop.Call) func(*loop.Gate) *loop.Hold {
	return func(g *loop.Gate) *loop.Hold { return g.After(nth, call) }
}

// TestE2EKilledRecreating kills engramd at every call with which it recreates a container: until the new one runs, the old
// one comes back. What is over but for the old container is finished.
func TestE2EKilledRecreating(t *testing.T) {
	t.Parallel()
	back := func(name string, hold func(*loop.Gate) *loop.Hold) kill {
		return kill{name: name, state: "applying", hold: hold, ends: takenBack, size: small, same: true}
	}
	k := prepareKills(t, "restart", []kill{
		back("quiet-not-told", before(1, "POST /update")),
		back("quiet-not-answered", after(1, "POST /update")),
		back("stop-not-told", before(1, "POST /stop")),
		back("stop-not-answered", after(1, "POST /stop")),
		back("rename-not-told", before(1, "POST /rename")),
		back("rename-not-answered", after(1, "POST /rename")),
		back("create-not-told", before(1, "POST /create")),
		back("create-not-answered", after(1, "POST /create")),
		back("start-not-told", before(1, "POST /start")),
		{name: "start-not-answered", state: "applying", hold: after(1, "POST /start"), ends: stays, size: big},
		{name: "finish-not-told", state: "inconclusive", hold: before(1, "DELETE "), ends: stays, size: big},
		{name: "finish-not-answered", state: "inconclusive", hold: after(1, "DELETE "), ends: stays, size: big},
	})
	k.strike(t)
	k.expect(t)
}

// TestE2EKilledRollingBack kills engramd at every call with which it brings the old container back: it goes on bringing it
// back.
func TestE2EKilledRollingBack(t *testing.T) {
	t.Parallel()
	back := func(name string, hold func(*loop.Gate) *loop.Hold) kill {
		return kill{name: name, state: "rolling_back", hold: hold, sick: true, ends: takenBack, size: small, same: true}
	}
	k := prepareKills(t, "restart", []kill{
		back("stop-not-told", before(2, "POST /stop")),
		back("stop-not-answered", after(2, "POST /stop")),
		back("remove-not-told", before(1, "DELETE ")),
		back("remove-not-answered", after(1, "DELETE ")),
		back("rename-not-told", before(2, "POST /rename")),
		back("rename-not-answered", after(2, "POST /rename")),
		back("start-not-told", before(2, "POST /start")),
		back("start-not-answered", after(2, "POST /start")),
		back("quiet-not-told", before(2, "POST /update")),
		back("quiet-not-answered", after(2, "POST /update")),
	})
	k.strike(t)
	k.expect(t)
}

// TestE2EKilledAround kills engramd in the states around the recreate. Maintenance is off in the end, unless a person has
// switched it on.
func TestE2EKilledAround(t *testing.T) {
	t.Parallel()
	switchOn := func(who string) func(*testing.T, *docker.Container) {
		return func(t *testing.T, c *docker.Container) { c.SetMaintenance(t, true, who) }
	}
	stillOn := func(who string) func(*testing.T, *docker.Container) {
		return func(t *testing.T, c *docker.Container) {
			t.Helper()
			if m := c.Maintenance(t); !m.Enabled || m.Owner != who {
				t.Errorf("%s: maintenance that %q switched on is %v, by %q", c.Name, who, m.Enabled, m.Owner)
			}
		}
	}
	k := prepareKills(t, "restart", []kill{
		{name: "waiting", mode: "approve", state: "waiting"},
		{
			name: "draining", state: "draining", busy: true, ends: "cancelled", size: small, same: true,
			killed: func(t *testing.T, c *docker.Container) {
				if m := c.Maintenance(t); !m.Enabled || m.ExpiresAt.IsZero() {
					t.Errorf("with engramd dead, maintenance is on: %v, and ends by itself at %s", m.Enabled, m.ExpiresAt)
				}
			},
		},
		{
			name: "draining-a-person", state: "draining", ends: "cancelled", size: small, same: true,
			before: switchOn(""), after: stillOn(""),
		},
		{
			name: "draining-another", state: "draining", ends: "cancelled", size: small, same: true,
			before: switchOn("backup"), after: stillOn("backup"),
		},
		{
			name: "draining-ownerless", state: "draining", busy: true, ownerless: true, ends: "cancelled", size: small, same: true,
		},
		{
			name: "draining-then-a-person", state: "draining", busy: true, ownerless: true, ends: "cancelled", size: small, same: true,
			killed: func(t *testing.T, c *docker.Container) {
				c.SetMaintenance(t, false, "") // what engramd has left
				c.SetMaintenance(t, true, "alice")
			},
			after: stillOn("alice"),
		},
		{
			name: "verifying", state: "verifying", ends: stays, size: big,
			hold: func(g *loop.Gate) *loop.Hold { return g.BeforeAfter("GET /json", "POST /start") },
		},
		{name: "validating", state: "validating", ends: stays, size: big},
	})
	for _, v := range k.victims {
		if v.busy {
			testenv.Eventually(t, soon, v.name+" is in maintenance", func() bool { return v.c.Maintenance(t).Enabled })
		}
	}
	k.strike(t)
	k.expect(t)
	for _, v := range k.victims {
		if starts, _ := docker.Starts(t, v.data); v.size != big && len(starts) != 1 {
			t.Errorf("%s was killed before anything was stopped, and started %d times", v.name, len(starts))
		}
	}
}

// TestE2EStopped ends engramd in an orderly way in the middle of things: that takes nothing back, but lets work in again.
func TestE2EStopped(t *testing.T) {
	t.Parallel()
	k := prepareKills(t, "restart", []kill{
		{name: "draining", state: "draining", busy: true, ends: "cancelled", size: small, same: true},
		{name: "validating", state: "validating", ends: stays, size: big},
	})
	testenv.Eventually(t, soon, "it is drained", func() bool { return k.victims[0].c.Maintenance(t).Enabled })
	k.gather(t)
	k.a.Stop(t)
	for _, v := range k.victims {
		if m := v.c.Maintenance(t); m.Enabled {
			t.Errorf("%s: engramd has ended and left maintenance on (%s)", v.name, m.Owner)
		}
		if got := k.d.Inspect(t, v.name).HostConfig.NanoCPUs; got != int64(v.size*1e9) {
			t.Errorf("%s: it has %d nano CPUs", v.name, got)
		}
	}
	k.restart(t)
	k.expect(t)
}

// TestE2EKilledWhileTheEngineHangs kills engramd while the engine hangs with its calls on it, which the engine gets round to
// when nobody waits for them any more.
func TestE2EKilledWhileTheEngineHangs(t *testing.T) {
	t.Parallel()
	k := prepareKills(t, "restart", []kill{
		{name: "quiet", state: "applying", hold: before(1, "POST /update"), ends: takenBack, size: small, same: true},
		{name: "stop", state: "applying", hold: before(1, "POST /stop"), ends: takenBack, size: small, same: true},
		{name: "rename", state: "applying", hold: before(1, "POST /rename"), ends: takenBack, size: small, same: true},
		{name: "create", state: "applying", hold: before(1, "POST /create"), ends: takenBack, size: small, same: true},
		{name: "start", state: "applying", hold: before(1, "POST /start"), ends: either},
	})
	k.gather(t)
	k.d.Freeze()
	for _, v := range k.victims {
		v.gate.Open()
	}
	for _, v := range k.victims {
		testenv.Eventually(t, soon, v.name+" is on its way", v.held.Sent)
	}
	k.a.Kill(t)
	k.restart(t)
	k.d.Thaw()
	k.expect(t)
}
