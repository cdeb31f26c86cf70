package loop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// midAction is one container at each kind of call, and how its change ends once the engine that went away is back: what was
// under way goes on, and what cannot go on any more is taken back.
func midAction(onward string) []kill {
	at := func(name string, hold func(*loop.Gate) *loop.Hold) kill {
		return kill{name: name, state: "applying", hold: hold, ends: onward, size: big}
	}
	return []kill{
		at("stopping", before(1, "POST /stop")),
		at("renaming", after(1, "POST /rename")),
		at("creating", before(1, "POST /create")),
		at("starting", after(1, "POST /start")),
		{name: "imageless", image: "workload:lost", state: "applying", hold: before(1, "POST /create"), ends: takenBack, size: small, same: true},
		{
			name: "verifying", state: "verifying", ends: onward, size: big,
			hold: func(g *loop.Gate) *loop.Hold { return g.BeforeAfter("GET /json", "POST /start") },
		},
		{name: "undoing", state: "rolling_back", hold: before(2, "POST /rename"), sick: true, ends: takenBack, size: small, same: true},
	}
}

// triesAgain waits until engramd has said of every action that is held that it tries again.
func (k *killing) triesAgain(t *testing.T) {
	t.Helper()
	for _, v := range k.victims {
		k.a.AwaitEvent(t, soon, v.name+" is tried again", func(e loop.Event) bool {
			return e.Action == v.action.ID && e.Details["op"] == "retry" && strings.Contains(e.Message, "trying again")
		})
	}
}

// loseImage removes the image of the container imageless, once engramd is about to use it.
func (k *killing) loseImage(t *testing.T) {
	t.Helper()
	i := slices.IndexFunc(k.victims, func(v *victim) bool { return v.name == "imageless" })
	k.victims[i].held.Await(t, soon)
	if _, err := k.d.Client().ImageRemove(t.Context(), "workload:lost", client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	k.victims[i].gate.Open()
}

func startMidAction(t *testing.T, onward string, options ...docker.Option) *killing {
	t.Helper()
	d := startEngine(t, options...)
	d.BuildImage(t, "workload:lost", docker.Variant{Labels: map[string]string{"made": "to be lost"}})
	k := prepareKillsOn(t, d, "restart", midAction(onward))
	k.gather(t)
	return k
}

// breakEngine kills dockerd in the middle of every action, and starts it again once engramd has met that.
func (k *killing) breakEngine(t *testing.T) {
	t.Helper()
	k.d.Kill()
	for _, v := range k.victims {
		v.gate.Drop()
		if v.name == "imageless" {
			v.held = v.gate.Before(1, "POST /create")
		}
	}
	k.triesAgain(t)
	k.d.Restart()
	k.loseImage(t)
}

// TestE2EEngineDies kills dockerd in the middle of actions; the containers live on without it.
func TestE2EEngineDies(t *testing.T) {
	k := startMidAction(t, stays, docker.LiveRestore())
	k.breakEngine(t)
	k.expect(t)
}

// TestE2EEngineDiesWithItsContainers kills a dockerd that ends its containers when it is back: what was restarted just then
// may be taken back for it.
func TestE2EEngineDiesWithItsContainers(t *testing.T) {
	k := startMidAction(t, either)
	k.breakEngine(t)
	k.expect(t)
}

// TestE2EEngineHangs has a dockerd that accepts calls and does not answer them, in the middle of actions.
func TestE2EEngineHangs(t *testing.T) {
	k := startMidAction(t, stays)
	k.d.Freeze()
	for _, v := range k.victims {
		if v.gate.Open(); v.name == "imageless" {
			v.ends, v.size, v.same = stays, big, false // this time nothing is lost
		}
	}
	k.a.AwaitEvent(t, soon, "what is read is read again", func(e loop.Event) bool { return e.Details["op"] == "retry" })
	k.d.Thaw()
	k.expect(t)
}

// idle is one container that grows when it needs to.
const idle = quick + `
mode: auto
metrics: {interval: 1s}
targets:
  - name: engram
    docker: {container: engram, host: "{{.docker}}"}
    limits: {cpu: {min: 100m, max: 400m}}
    health: {url: "{{.url}}/health"}
policies:
  - name: cpu
    target: engram
    every: 1s
    matrix:
      signals:
        cpu: ` + cpuUse + `
      rows:
        - {when: {cpu: "< 85"}, do: none}
        - {when: {cpu: ">= 85"}, for: 2s, do: scale, change: {cpu: {by: x2}}}
`

// TestE2EEngineAwayWhenIdle has a dockerd that is away for a while, dead or hanging, and nothing to do meanwhile: the target
// cannot be seen, nothing is decided about it, and all is well again when it is back.
func TestE2EEngineAwayWhenIdle(t *testing.T) {
	d := startEngine(t, docker.LiveRestore())
	c := d.Run(t, docker.Spec{Name: "engram", Image: image, CPUs: 0.2})
	before := c.Inspect(t)
	trace := loop.WatchCPU(t, c.ID)
	a := loop.Start(t, idle, loop.Values{"docker": d.Host(), "url": c.URL})
	unseen := func() bool {
		state := a.Target(t, "engram").State
		return state == "blind" || state == "absent"
	}
	for _, away := range []struct {
		name     string
		go_, end func()
	}{{"dead", d.Kill, d.Restart}, {"hanging", d.Freeze, d.Thaw}} {
		testenv.Eventually(t, soon, "the target is well", func() bool { return a.Target(t, "engram").State == "ok" })
		away.go_()
		testenv.Eventually(t, soon, "the target is not seen while the engine is "+away.name, unseen)
		if target := a.Target(t, "engram"); target.Detail == "" {
			t.Errorf("while the engine is %s, no reason is given why %s is %s", away.name, target.Name, target.State)
		}
		if !c.Healthy() {
			t.Error("the container is gone with its engine")
		}
		away.end()
	}
	testenv.Eventually(t, soon, "the target is well again", func() bool { return a.Target(t, "engram").State == "ok" })
	if all := a.Actions(t); len(all) > 0 {
		t.Errorf("there are actions:\n%s", loop.Story(all))
	}
	c.Do(t, "/spin?on")
	a.Await(t, soon, "it grows when it needs to", loop.Changes("cpu", "200", "400", "committed"))
	expectLimits(t, trace, 0.2, 0.4)
	if after := c.Inspect(t); after.ID != before.ID || after.State.StartedAt != before.State.StartedAt {
		t.Errorf("it was restarted: %s, before %s", after.State.StartedAt, before.State.StartedAt)
	}
}
