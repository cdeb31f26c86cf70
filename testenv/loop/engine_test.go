package loop_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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
	t.Parallel()
	k := startMidAction(t, stays, docker.LiveRestore())
	k.breakEngine(t)
	k.expect(t)
}

// TestE2EEngineDiesWithItsContainers kills a dockerd that ends its containers when it is back: what was restarted just then
// may be taken back for it.
func TestE2EEngineDiesWithItsContainers(t *testing.T) {
	t.Parallel()
	k := startMidAction(t, either)
	k.breakEngine(t)
	k.expect(t)
}

// TestE2EEngineHangs has a dockerd that accepts calls and does not answer them, in the middle of actions.
func TestE2EEngineHangs(t *testing.T) {
	t.Parallel()
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

// needy is some containers that say themselves when they need more.
const needy = quick + `
mode: auto
metrics:
  interval: 1s
  scrape:
    {{- range .targets}}
    - {job: {{.Name}}, url: "{{.URL}}/metrics", target: {{.Name}}}
    {{- end}}
targets:
{{- range .targets}}
  - {name: {{.Name}}, docker: {container: {{.Name}}, host: "{{$.docker}}"}, limits: {cpu: {min: 100m, max: 400m}}}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 1s
    matrix:
      signals:
        cpu: max by (target) (engram_cpu_utilization_percent{core="all"})
      rows:
        - {when: {cpu: "< 85"}, do: none}
        - {when: {cpu: ">= 85"}, for: 2s, do: scale, change: {cpu: {by: x2}}}
`

// TestE2EEngineAway has a dockerd that is away for a while, dead or hanging, when nothing is under way: no target can be seen,
// and nothing is decided about one however much it says that it needs; that comes when the engine is back.
func TestE2EEngineAway(t *testing.T) {
	t.Parallel()
	d := startEngine(t, docker.LiveRestore())
	type needing struct {
		Name, URL    string
		leave, comes func()
		c            *docker.Container
		trace        *loop.Trace
	}
	all := []needing{{Name: "dead", leave: d.Kill, comes: d.Restart}, {Name: "hanging", leave: d.Freeze, comes: d.Thaw}}
	for i := range all {
		n := &all[i]
		n.c = d.Run(t, docker.Spec{Name: n.Name, Image: image, CPUs: 0.2})
		n.URL, n.trace = n.c.URL, loop.WatchCPU(t, n.c.ID)
	}
	a := loop.Start(t, needy, loop.Values{"docker": d.Host(), "targets": all})
	for i, away := range all {
		before := away.c.Inspect(t)
		testenv.Eventually(t, soon, "the target is well", func() bool { return a.Target(t, away.Name).State == "ok" })
		away.leave()
		for _, n := range all {
			testenv.Eventually(t, soon, n.Name+" is not seen while the engine is "+away.Name, func() bool {
				target := a.Target(t, n.Name)
				return (target.State == "blind" || target.State == "absent") && target.Detail != ""
			})
		}
		away.c.Do(t, "/spin?on")
		testenv.Eventually(t, soon, "it has needed more for longer than its row wants", func() bool {
			least, known := a.Value(t, `min_over_time(engram_cpu_utilization_percent{target="`+away.Name+`", core="all"}[6s])`, time.Now())
			return known && least >= 85
		})
		if actions := a.Actions(t); len(actions) > i {
			t.Errorf("while the engine is %s there are actions:\n%s", away.Name, loop.Story(actions))
		}
		away.comes()
		a.Await(t, soon, "it grows once the engine is back", func(x loop.Action) bool {
			return x.Target == away.Name && loop.Changes("cpu", "200", "400", "committed")(x)
		})
		away.c.Do(t, "/spin?off")
		expectLimits(t, away.trace, 0.2, 0.4)
		if after := away.c.Inspect(t); after.ID != before.ID || after.State.StartedAt != before.State.StartedAt {
			t.Errorf("%s was restarted: %s, before %s", away.Name, after.State.StartedAt, before.State.StartedAt)
		}
	}
}
