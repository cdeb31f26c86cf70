package loop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/load"
	"github.com/engramd/engramd/testenv/loop"
)

const mebi = 1 << 20

// sizes has the memory of one container brought to a size.
const sizes = quick + `
mode: auto
metrics:
  interval: 1s
  scrape: [{job: app, url: "{{.url}}/metrics", target: engram}]
targets:
  - name: engram
    docker: {container: engram, host: "{{.docker}}"}
    limits: {memory: {min: 64Mi, max: 512Mi}}
    health: {url: "{{.url}}/health"}
    signals: {error_rate: 'max(engram_error_ratio{target="$target"})'}
    validation: {settle: {{.settle}}, duration: {{.duration}}, every: 1s}
policies:
  - name: memory
    target: engram
    every: 1s
    matrix:
      signals:
        used: 100 * max(engramd_target_memory_working_set_bytes{target="$target"}) / max(engramd_target_memory_limit_bytes{target="$target"})
      rows:
        - {when: {used: "< 0"}, do: none}
        - {when: {used: ">= 0"}, for: 1s, do: scale, change: {memory: {to: {{.to}}}}}
`

// TestE2EMemoryDecrease takes memory away only where what is in use fits with a tenth to spare.
func TestE2EMemoryDecrease(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.5, Memory: 256 * mebi, MemorySwap: 256 * mebi})
	before := c.Inspect(t)
	trace := loop.WatchMemory(t, c.ID)
	c.Do(t, "/memory?bytes=120Mi")
	testenv.StartLoad(t, load.Config{URL: c.URL + "/work?cpu=1ms", Rate: 10})
	values := loop.Values{"docker": d.Host(), "url": c.URL, "to": "128Mi", "settle": "2s", "duration": "8s"}
	a := loop.Start(t, sizes, values)

	// 120 MiB are in use, and what the process needs beside them: 128 MiB hold that, but not a tenth more.
	refused := a.AwaitDecision(t, soon, "the decrease to 128 MiB is refused five times", func(x loop.Decision) bool {
		return x.Change.Resource == "memory" && x.Refused != "" && x.Count >= 5
	})
	if !strings.Contains(refused.Refused, "is in use, and with a tenth more that does not fit into 128Mi") {
		t.Errorf("refused: %s", refused.Refused)
	}
	expectLimits(t, trace, 256*mebi)

	values["to"] = "160Mi"
	a.Configure(t, sizes, values)
	a.Do(t, "reload")
	done := a.Await(t, soon, "the decrease to 160 MiB is over", func(x loop.Action) bool { return x.Direction == "decrease" && x.Final() })
	if done.State != "committed" {
		t.Errorf("the decrease is %s: %s", done.State, done.Reason)
	}
	expectLimits(t, trace, 256*mebi, 160*mebi)
	after := c.Inspect(t)
	if after.State.StartedAt != before.State.StartedAt || after.HostConfig.Memory != 160*mebi || after.HostConfig.MemorySwap != 160*mebi {
		t.Errorf("started %s, now %s; memory %d, with swap %d", before.State.StartedAt, after.State.StartedAt, after.HostConfig.Memory, after.HostConfig.MemorySwap)
	}
	if kills, err := testenv.Cgroup(t, c.ID).OOMKills(); err != nil || kills > 0 {
		t.Errorf("%d processes were killed for want of memory (%v)", kills, err)
	}
}

// TestE2EUsedUpGrowthIsKept asks to take back a growth of memory that is in use by then: it stays, loudly.
func TestE2EUsedUpGrowthIsKept(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.5, Memory: 128 * mebi, MemorySwap: 128 * mebi})
	before := c.Inspect(t)
	trace := loop.WatchMemory(t, c.ID)
	c.Do(t, "/memory?bytes=64Mi")
	a := loop.Start(t, sizes, loop.Values{"docker": d.Host(), "url": c.URL, "to": "256Mi", "settle": "10s", "duration": "5m"})

	grown := a.Await(t, soon, "the growth is in place", loop.Changes("memory", "134217728", "268435456", "validating"))
	c.Do(t, "/memory?bytes=180Mi")
	a.Do(t, "cancel", grown.ID, "--reason", "we need it elsewhere")
	kept := a.Await(t, soon, "the way back is over", func(x loop.Action) bool { return x.ID == grown.ID && x.Final() })
	if kept.State != "kept" || !strings.Contains(kept.Reason, "not taken back") {
		t.Errorf("it ended %s: %s", kept.State, kept.Reason)
	}
	expectLimits(t, trace, 128*mebi, 256*mebi)
	loud := a.AwaitEvent(t, soon, "it is told", func(e loop.Event) bool { return e.Action == grown.ID && e.Outcome == "kept" })
	if !slices.Contains([]string{"warning", "critical"}, loud.Severity) {
		t.Errorf("it is told as %s: %s", loud.Severity, loud.Message)
	}
	if after := c.Inspect(t); !after.State.Running || after.State.StartedAt != before.State.StartedAt || after.HostConfig.Memory != 256*mebi {
		t.Errorf("running %v since %s (before %s) with %d", after.State.Running, after.State.StartedAt, before.State.StartedAt, after.HostConfig.Memory)
	}
}
