package loop_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// reactionUse looks back over three samples, however punctual they are.
const reactionUse = `100 * sum(rate(engramd_target_cpu_seconds_total{target="$target"}[2500ms])) / max(engramd_target_cpu_limit_cores{target="$target"})`

const reaction = quick + `
mode: auto
metrics: {interval: 1s}
targets:
{{- range .names}}
  - {name: {{.}}, docker: {container: {{.}}, host: "{{$.docker}}"}, limits: {cpu: {min: 100m, max: 200m}}}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .names}}{{.}}, {{end}}]
    every: 1s
    matrix:
      signals:
        cpu: 100 * sum by (target) (rate(engramd_target_cpu_seconds_total[2500ms])) / max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {cpu: "< 85"}, do: none}
        - {when: {cpu: ">= 85"}, for: 0s, do: scale, change: {cpu: {by: x2}}}
`

// What is promised of the time from the first sample over the threshold to the cgroup's new value, and what is asserted
// here: a busy machine may take a turn more.
const (
	reactionInterval = time.Second
	reactionPromised = reactionInterval + 250*time.Millisecond
	reactionAsserted = 2*reactionInterval + 500*time.Millisecond
)

// TestE2EReactionTime measures how long a container waits for what it needs.
func TestE2EReactionTime(t *testing.T) {
	d := startEngine(t)
	var names []string
	containers := map[string]*docker.Container{}
	for n := range 5 {
		name := fmt.Sprintf("engram-%d", n)
		names = append(names, name)
		containers[name] = run(t, d, docker.Spec{Name: name, Image: image, CPUs: 0.1})
	}
	a := loop.Start(t, reaction, loop.Values{"docker": d.Host(), "names": names})
	worst := time.Duration(0)
	for _, name := range names {
		c := containers[name]
		trace := loop.WatchCPU(t, c.ID)
		c.Do(t, "/spin?on")
		testenv.Eventually(t, soon, name+" has its new limit", func() bool {
			_, ok := trace.First(0.2)
			return ok
		})
		changed, _ := trace.First(0.2)
		c.Do(t, "/spin?off")
		seen := firstOver(t, a, reactionUse, name, 85)
		took := changed.Sub(seen)
		worst = max(worst, took)
		t.Logf("%s: %v from the first sample over the threshold to the cgroup's new value", name, took.Round(time.Millisecond))
		if took <= 0 {
			t.Errorf("%s was changed %v before it was seen to need it", name, -took)
		}
	}
	t.Logf("at most %v; promised: %v", worst.Round(time.Millisecond), reactionPromised)
	if worst > reactionAsserted {
		t.Errorf("it took %v, more than %v", worst, reactionAsserted)
	}
}
