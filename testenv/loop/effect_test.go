package loop_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// stepwise gives one container more in steps, each time it uses most of what it has.
const stepwise = quick + `
mode: auto
metrics: {interval: 1s}
targets:
  - name: engram
    docker: {container: engram, host: "{{.docker}}"}
    limits: {cpu: {min: 250m, max: 1500m, steps: [{{.steps}}]}}
    health: {url: "{{.url}}/health"}
    {{- with .require}}
    require: [{{.}}]
    {{- end}}
policies:
  - name: cpu
    target: engram
    every: 1s
    matrix:
      signals:
        cpu: ` + cpuUse + `
      rows:
        - {when: {cpu: "< 70"}, do: none}
        - {when: {cpu: ">= 70"}, for: 2s, do: scale, change: {cpu: {by: 250m}}}
`

// TestE2EUselessGrowthIsTakenBack has one thread that spins: a whole core helps it, and more cannot. What does not help is
// found out, taken back, explained, and not tried again.
func TestE2EUselessGrowthIsTakenBack(t *testing.T) {
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.5})
	before := c.Inspect(t)
	trace := loop.WatchCPU(t, c.ID)
	c.Do(t, "/spin?on")
	a := loop.Start(t, stepwise, loop.Values{"docker": d.Host(), "url": c.URL, "steps": "500m, 1, 1500m", "require": ""})

	a.Await(t, soon, "the step to one core commits", loop.Changes("cpu", "500", "1000", "committed"))
	useless := a.Await(t, soon, "the step above one core is over", func(x loop.Action) bool {
		return loop.Changes("cpu", "1000", "1500")(x) && x.Final()
	})
	if useless.State != "rolled_back" || !strings.Contains(useless.Reason, "no effect") {
		t.Fatalf("the useless step is %s: %s", useless.State, useless.Reason)
	}
	expectLimits(t, trace, 0.5, 1, 1.5, 1)

	again := a.AwaitDecision(t, soon, "the same is proposed ten times more, and refused", func(x loop.Decision) bool {
		return x.Refused != "" && x.From == "1000" && x.To == "1500" && x.Count >= 10
	})
	if !strings.Contains(again.Refused, "had no effect") || !strings.Contains(again.Refused, "not again in the same circumstances") {
		t.Errorf("it is refused for another reason: %s", again.Refused)
	}
	expectLimits(t, trace, 0.5, 1, 1.5, 1)
	if n := len(a.Actions(t)); n != 2 {
		t.Errorf("there are %d actions, want 2:\n%s", n, loop.Story(a.Actions(t)))
	}
	if after := c.Inspect(t); after.State.StartedAt != before.State.StartedAt || after.HostConfig.NanoCPUs != 1e9 {
		t.Errorf("started %s, now %s; %d nano CPUs", before.State.StartedAt, after.State.StartedAt, after.HostConfig.NanoCPUs)
	}
	// Nor after a restart: the memory of it is in the journal.
	a.Stop(t)
	a.Start(t)
	a.AwaitDecision(t, soon, "the same is refused ten times after a restart", func(x loop.Decision) bool {
		return x.Refused != "" && x.From == "1000" && x.To == "1500" && (x.ID == again.ID && x.Count >= again.Count+10 || x.ID != again.ID && x.Count >= 10)
	})
	expectLimits(t, trace, 0.5, 1, 1.5, 1)

	explained := a.Do(t, "explain", useless.ID)
	for _, words := range []string{
		"raised cpu of engram from 1 core to 1.5 cores while it ran and took it back: no effect", "more CPU did not help",
		"It is not tried again in the same circumstances before", "Did it help?",
	} {
		if !strings.Contains(explained, words) {
			t.Errorf("explain does not say %q:\n%s", words, explained)
		}
	}
	t.Logf("engramd explain:\n%s", explained)
}

// TestE2EOverloadIsNotTakenBack has a container that stays overloaded after a growth: that is no reason to take it back, but
// to go on.
func TestE2EOverloadIsNotTakenBack(t *testing.T) {
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.25})
	trace := loop.WatchCPU(t, c.ID)
	c.Do(t, "/spin?on&threads=2")
	a := loop.Start(t, stepwise, loop.Values{
		"docker": d.Host(), "url": c.URL, "steps": "250m, 500m, 1",
		"require": `{expr: '` + cpuUse + `', must: "< 70"}`, // it is not, so nothing of this is ever enough
	})
	for _, step := range [][2]loop.Quantity{{"250", "500"}, {"500", "1000"}} {
		over := a.Await(t, soon, "the step from "+string(step[0])+" is over", func(x loop.Action) bool {
			return loop.Changes("cpu", step[0], step[1])(x) && x.Final()
		})
		if over.State != "insufficient" {
			t.Errorf("the step %s -> %s ended %s: %s; want insufficient", step[0], step[1], over.State, over.Reason)
		}
	}
	expectLimits(t, trace, 0.25, 0.5, 1)
	if got := throttled(t, c.ID); got < 0.5 {
		t.Errorf("throttled in %.0f%% of the periods at the end: it was to be overloaded", 100*got)
	}
	if got := testenv.CPULimit(t, c.ID); got != 1 {
		t.Errorf("the limit is %v at the end", got)
	}
}
