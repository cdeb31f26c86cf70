package hostloop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv/hostloop"
	"github.com/engramd/engramd/testenv/loop"
)

// sizes has the memory of one unit brought to a size.
const sizes = quick + `
mode: auto
metrics: {interval: 2s}
targets:
  - name: holder
    systemd: {unit: holder}
    limits: {memory: {min: 64Mi, max: 512Mi}}
    health: {url: "{{.url}}/health"}
policies:
  - name: memory
    target: holder
    every: 2s
    matrix:
      signals:
        used: 100 * max(engramd_target_memory_working_set_bytes{target="$target"}) / max(engramd_target_memory_limit_bytes{target="$target"})
      rows:
        - {when: {used: "< 0"}, do: none}
        - {when: {used: ">= 0"}, for: 1s, do: scale, change: {memory: {to: {{.to}}}}}
`

// TestE2EMemoryShrinks takes memory away only where what is in use fits, and lets the kernel reclaim first: MemoryHigh comes down
// before MemoryMax, so that page cache goes and nothing is killed.
func TestE2EMemoryShrinks(t *testing.T) {
	u := hostloop.Start(t, hostloop.Spec{Name: "holder", Lines: []string{"MemoryMax=256M"}})
	u.Do(t, "/memory?bytes=100Mi")
	u.Do(t, "/cache?bytes=100Mi")
	before, trace := take(t, u), u.Watch(t, "memory.high", "memory.max")
	values := loop.Values{"url": u.URL, "to": "104Mi"}
	a := loop.Start(t, sizes, values)
	refused := a.AwaitDecision(t, soon, "the decrease to 104 MiB is refused", func(x loop.Decision) bool {
		return x.Change.Resource == "memory" && x.Refused != "" && x.Count >= 2
	})
	if !strings.Contains(refused.Refused, "does not fit") {
		t.Errorf("refused: %s", refused.Refused)
	}
	expect(t, u, before, "refused")

	values["to"] = "160Mi"
	a.Configure(t, sizes, values)
	a.Do(t, "reload")
	if done := finals(t, a, "holder")["holder"]; done.State != "committed" || done.Strategy != "live" {
		t.Errorf("the decrease is %s %s: %s", done.Strategy, done.State, done.Reason)
	}
	seen := trace.Values()
	t.Logf("memory.high and memory.max were in turn %v", seen)
	want := []string{"max 268435456", "167772160 268435456", "167772160 167772160", "max 167772160"}
	if !slices.Equal(seen, want) {
		t.Errorf("they were %v, want %v", seen, want)
	}
	after := take(t, u)
	if after.PID != before.PID || !strings.Contains(u.Limit(t, "memory.events"), "oom_kill 0") {
		t.Errorf("main process %s, it was %s; memory.events:\n%s", after.PID, before.PID, u.Limit(t, "memory.events"))
	}
}
