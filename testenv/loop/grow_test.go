package loop_test

import (
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/load"
	"github.com/engramd/engramd/testenv/loop"
)

// growth doubles what one container may use when it needs nearly all of it.
const growth = quick + `
mode: {{.mode}}
metrics:
  interval: 1s
  scrape: [{job: app, url: "{{.url}}/metrics", target: engram}]
targets:
  - name: engram
    docker: {container: engram, host: "{{.docker}}"}
    limits: {cpu: {min: 250m, max: {{.max}}}}
    health: {url: "{{.url}}/health"}
    signals: {error_rate: 'max(engram_error_ratio{target="$target"})'}
policies:
  - name: cpu
    target: engram
    every: 1s
    matrix:
      signals:
        cpu: ` + cpuUse + `
      rows:
        - {when: {cpu: "< 70"}, do: none}
        - {when: {cpu: "70..85"}, do: hold, why: a load that leaves little room}
        - {when: {cpu: ">= 85"}, for: 3s, do: scale, change: {cpu: {by: x2}}}
`

// growthFor is the row's `for`.
const growthFor = 3 * time.Second

// TestE2EGrowLive has a container under more load than its limit lets it do: the limit is raised while it runs, and stays.
func TestE2EGrowLive(t *testing.T) {
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.5})
	before := c.Inspect(t)
	trace := loop.WatchCPU(t, c.ID)
	l := testenv.StartLoad(t, load.Config{URL: c.URL + "/work?cpu=10ms", Rate: 65, Timeout: 30 * time.Second})
	held := throttled(t, c.ID)
	if held < 0.5 {
		t.Fatalf("the container is throttled in %.0f%% of the periods only: this is not the load that the test is about", 100*held)
	}

	a := loop.Start(t, growth, loop.Values{"mode": "auto", "docker": d.Host(), "url": c.URL, "max": 1})
	action := a.Await(t, soon, "the growth is over", func(x loop.Action) bool { return x.Final() })
	freed := throttled(t, c.ID)

	if !loop.Changes("cpu", "500", "1000", "committed")(action) || action.Strategy != "live" {
		t.Errorf("the action is %s of %s, %s -> %s, %s (%s), want a live growth 500 -> 1000 that is committed",
			action.State, action.Resource, action.From, action.To, action.Strategy, action.Reason)
	}
	expectLimits(t, trace, 0.5, 1)
	if grown, ok := trace.First(1); ok {
		waited := grown.Sub(firstOver(t, a, cpuUse, "engram", 85))
		t.Logf("the limit was raised %v after the first sample over the threshold, with `for: %v`", waited.Round(time.Millisecond), growthFor)
		if waited < growthFor {
			t.Error("the row had not held for so long")
		}
	}
	if freed > held/2 {
		t.Errorf("throttled in %.0f%% of the periods before and %.0f%% after", 100*held, 100*freed)
	}
	after := c.Inspect(t)
	if after.ID != before.ID || after.State.StartedAt != before.State.StartedAt || after.RestartCount != 0 || after.HostConfig.NanoCPUs != 1e9 {
		t.Errorf("after: id %.12s, started %s, %d nano CPUs; before: id %.12s, started %s",
			after.ID, after.State.StartedAt, after.HostConfig.NanoCPUs, before.ID, before.State.StartedAt)
	}
	if lost := l.Stop().Lost(); lost.Sent() > 0 {
		t.Errorf("requests were lost: %v", lost)
	}
	a.Stop(t)
	if got := testenv.CPULimit(t, c.ID); got != 1 {
		t.Errorf("after engramd has ended the limit is %v", got)
	}
}
