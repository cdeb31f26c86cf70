package kubeloop_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/loop"
)

// A kill is one Deployment, and the point on the way of its change at which engramd is killed.
type kill struct {
	name  string
	mode  string // "" is auto
	state string // of its action by then
	hold  func(*loop.Gate) *loop.Hold
	sick  bool // its readiness fails at the new size
	// watched is for how long the change is validated: what is to be killed then, or is taken back by hand, must not end
	// before all the others are where they are to be killed.
	watched string

	// How it must end.
	ends string // one of these words; "" is that it waits still
	size float64
}

// A victim is a kill with what it happens to.
type victim struct {
	kill
	gate   *loop.Gate
	held   *loop.Hold
	pods   []corev1.Pod
	action loop.Action
}

// A killing is engramd with its victims.
type killing struct {
	*bench
	a       *loop.Agent
	values  loop.Values
	victims []*victim
}

func before(nth int, call loop.Call) func(*loop.Gate) *loop.Hold {
	return func(g *loop.Gate) *loop.Hold { return g.Before(nth, call) }
}

func after(nth int, call loop.Call) func(*loop.Gate) *loop.Hold {
	return func(g *loop.Gate) *loop.Hold { return g.After(nth, call) }
}

// prepareKills runs the Deployments and starts engramd on them.
func prepareKills(t *testing.T, apply string, kills []kill) *killing {
	t.Helper()
	k := &killing{bench: newBench(t)}
	var targets []target
	for _, one := range kills {
		k.create(t, service{kind: "Deployment", name: one.name, replicas: 1, sick: one.sick})
	}
	for _, one := range kills {
		v := &victim{kill: one, gate: k.gate(t), pods: k.await(t, one.name, 1)}
		if one.hold != nil {
			v.held = one.hold(v.gate)
		}
		k.victims = append(k.victims, v)
		targets = append(targets, target{Name: one.name, Mode: one.mode, Apply: apply, Kubeconfig: k.kubeconfig(t, v.gate), Watched: one.watched})
	}
	k.values = k.bench.values(t, targets...)
	// Long enough for all of them to be where they are to be killed at one time.
	k.values["validation"] = "settle: 2s, duration: 30s, every: 1s, effect: {checks: 3}"
	k.a = loop.Start(t, doubled, k.values)
	return k
}

// strike kills engramd once every action is where it is to be killed, and starts it again: what has begun goes on, and
// nothing begins by itself any more.
func (k *killing) strike(t *testing.T) {
	t.Helper()
	for _, v := range k.victims {
		if v.held != nil {
			v.held.Await(t, soon)
		}
		v.action = k.a.Await(t, soon, v.name+" is "+v.state, func(x loop.Action) bool {
			return of(v.name, v.state)(x) && (v.held == nil || v.held.Holds())
		})
	}
	k.a.Kill(t)
	for _, v := range k.victims {
		v.gate.Drop()
	}
	k.values["mode"] = "approve"
	k.a.Configure(t, doubled, k.values)
	k.a.Start(t)
}

// expect waits for every action's end, and compares with how it must be.
func (k *killing) expect(t *testing.T) {
	t.Helper()
	for _, v := range k.victims {
		if v.ends == "" {
			again := k.a.Await(t, soon, v.name+" waits still", func(x loop.Action) bool { return x.ID == v.action.ID })
			if again.State != "waiting" || again.PlanHash != v.action.PlanHash {
				t.Errorf("%s: what waited is %s (%s)", v.name, again.State, again.Reason)
			}
			k.expectUntouched(t, v.name, v.pods)
			k.expectLimits(t, v.name, small)
			continue
		}
		v.action = k.a.Await(t, soon, "the action on "+v.name+" has ended", over(v.action.ID))
		t.Logf("%s: %s: %s", v.name, v.action.State, v.action.Reason)
		if !slices.Contains(strings.Fields(v.ends), v.action.State) {
			t.Errorf("%s: killed while %s, it ended %s: %s", v.name, v.state, v.action.State, v.action.Reason)
		}
		testenv.Eventually(t, soon, v.name+" is one ready pod of the right size", func() bool {
			pods := k.pods(t, v.name)
			return len(pods) == 1 && kubernetes.Ready(pods[0]) && limit(t, pods[0]) == v.size
		})
	}
}

// TestE2EKilledLive kills engramd in every state of a live change, also between a call and its answer. It runs beside no
// other test: a call that is held for more than 15 s is made again, and all of them have to be held at one time.
func TestE2EKilledLive(t *testing.T) {
	const resize = "PATCH /resize"
	k := prepareKills(t, "live", []kill{
		{name: "waiting", mode: "approve", state: "waiting"},
		{name: "not-told", state: "applying", hold: before(1, resize), ends: takenBack, size: small},
		{name: "not-answered", state: "applying", hold: after(1, resize), ends: stays, size: big},
		{name: "verifying", state: "verifying", hold: func(g *loop.Gate) *loop.Hold { return g.BeforeAfter("GET /verifying", resize) }, ends: stays, size: big},
		{name: "validating", state: "validating", watched: "1m", ends: stays, size: big},
		{name: "undo-not-told", state: "rolling_back", watched: "10m", hold: before(2, resize), ends: takenBack, size: small},
		{name: "undo-not-answered", state: "rolling_back", watched: "10m", hold: after(2, resize), ends: takenBack, size: small},
	})
	for _, name := range []string{"undo-not-told", "undo-not-answered"} {
		grown := k.a.Await(t, soon, name+" is in place", of(name, "validating"))
		testenv.Eventually(t, soon, name+" can be cancelled", func() bool {
			return k.a.Command(t, "cancel", grown.ID, "--reason", "a test takes it back").Code == 0
		})
	}
	k.strike(t)
	k.expect(t)
	for _, v := range k.victims {
		k.expectUntouched(t, v.name, v.pods)
	}
}

// TestE2EKilledRollingOut kills engramd in every state of a rollout: until the template is written nothing has happened,
// and a rollout that is on its way is seen to its end. It runs beside no other test, either.
func TestE2EKilledRollingOut(t *testing.T) {
	k := prepareKills(t, "restart", []kill{
		{name: "waiting", mode: "approve", state: "waiting"},
		{name: "not-told", state: "applying", hold: before(1, "PATCH /not-told"), ends: takenBack, size: small},
		{name: "not-answered", state: "applying", hold: after(1, "PATCH /not-answered"), ends: stays + " " + takenBack, size: big},
		{name: "validating", state: "validating", watched: "1m", ends: stays, size: big},
		{name: "undoing", state: "rolling_back", sick: true, ends: takenBack, size: small},
	})
	k.strike(t)
	k.expect(t)
}
