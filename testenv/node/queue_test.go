package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/engramd/engramd/policy/presets"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
)

// hurried makes in seconds what takes minutes in production.
const hurried = `
mode: auto
metrics: {interval: 1s}
validation: {settle: 2s, duration: 15s, every: 1s, effect: {checks: 3}}
safety:
  cooldown: {up: 1s, down: 1s}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
`

// soon is what anything may take that takes seconds on a machine with nothing else to do.
const soon = 60 * time.Second

// spreadingPolicy is the preset engram-queue's for spread workers, in a hurry.
func spreadingPolicy(t *testing.T) string {
	t.Helper()
	text, ok := presets.Read("engram-queue")
	if !ok {
		t.Fatal("there is no preset engram-queue")
	}
	quick := strings.NewReplacer("[1m]", "[4s]", "for: 1m\n", "for: 2s\n", "for: 30m\n", "for: 10s\n").Replace(string(text))
	var preset struct{ Policies []yaml.MapSlice }
	if err := yaml.Unmarshal([]byte(quick), &preset); err != nil {
		t.Fatal(err)
	}
	only := append(yaml.MapSlice{{Key: "target", Value: "memories"}}, preset.Policies[0]...)
	out, err := yaml.Marshal(yaml.MapSlice{{Key: "policies", Value: []yaml.MapSlice{only}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// others are the options of a target beside where it is: as many workers as there are cores at most, and what fewer of them must not
// raise. There is no P99 of spreads where there are none.
const others = `    limits: {threads: {spreading: {min: 1, max: 2}}}
    signals: {error_rate: 'max(engram_errors_per_second{target="$target"})'}
`

// lookAfter starts an engramd that looks after a node by the queue of its spreads.
func lookAfter(t *testing.T, n *node.Node) *loop.Agent {
	t.Helper()
	return loop.Start(t, hurried+fmt.Sprintf("targets:\n  - name: memories\n    node: {url: %q}\n"+others, n.URL)+spreadingPolicy(t), nil)
}

func workers(to loop.Quantity, from loop.Quantity) func(loop.Action) bool {
	return func(x loop.Action) bool {
		return x.Resource == "threads.spreading" && x.From == from && x.To == to && x.Final()
	}
}

// TestE2EQueueGrowsWorkers gives a node with one spread worker work for 1.4 of them: there are two within seconds, while it runs, and
// what waited is done. When the load is gone, one goes again.
func TestE2EQueueGrowsWorkers(t *testing.T) {
	testenv.Need(t, "node")
	first, _ := twoCores(t)
	n := node.Start(t, "--config", write(t, fmt.Sprintf("threading: {spreading_cores: [%d]}\n", first))) // it is not pinned: there is one worker
	n.Web(t, 40_009)
	load := n.Spread(t, n.Workload(t, 1.4))
	testenv.Eventually(t, soon, "more waits than one worker does", func() bool { return n.Spreading(t).QueueDepth >= 50 })
	a, pid := lookAfter(t, n), n.PID()
	x := a.Await(t, soon, "there are two workers", workers("2", "1"))
	t.Logf("%s: %s", x.State, x.Reason)
	if x.State != "committed" || x.Strategy != "live" {
		t.Errorf("%s, %s: %s", x.Strategy, x.State, x.Reason)
	}
	if p := n.Spreading(t); p.Workers != 2 || n.PID() != pid {
		t.Errorf("%d workers in process %d, it was %d", p.Workers, n.PID(), pid)
	}
	testenv.Eventually(t, soon, "what waited is done", func() bool { return n.Spreading(t).QueueDepth < 10 })
	load.Stop()
	t.Logf("%d spreads were answered, %d failed, %d were held back", load.Answered.Load(), load.Failed.Load(), load.HeldBack.Load())
	if load.Failed.Load() > waitedAtTheEnd {
		t.Errorf("%d spreads failed", load.Failed.Load())
	}
	x = a.Await(t, soon, "one worker goes again", workers("1", "2"))
	if x.State != "committed" || n.Spreading(t).Workers != 1 {
		t.Errorf("%s: %s; %d workers", x.State, x.Reason, n.Spreading(t).Workers)
	}
}

// waitedAtTheEnd bounds what is under way when a load ends.
const waitedAtTheEnd = 250

// TestE2EQueueBehindALock gives the same to a node whose spreads wait for one lock: a second worker helps nothing, goes again, and the
// diagnosis says why.
func TestE2EQueueBehindALock(t *testing.T) {
	testenv.Need(t, "node")
	const hold = 8 * time.Millisecond
	n := locked(t, hold)
	n.Web(t, 1009) // what a spread computes takes hardly any time beside the lock
	rate := 1.4 / hold.Seconds()
	n.Spread(t, func() float64 { return rate })
	testenv.Eventually(t, soon, "more waits than one worker does", func() bool { return n.Spreading(t).QueueDepth >= 50 })
	a := lookAfter(t, n)
	x := a.Await(t, 2*soon, "a second worker is judged", workers("2", "1"))
	t.Logf("%s: %s; diagnosis: %s", x.State, x.Reason, x.Diagnosis)
	if x.State != "rolled_back" || !strings.Contains(x.Reason, "no effect") {
		t.Errorf("%s: %s", x.State, x.Reason)
	}
	if p := n.Spreading(t); p.Workers != 1 {
		t.Errorf("%d workers", p.Workers)
	}
	if !strings.HasPrefix(x.Diagnosis, "lock contention") {
		t.Errorf("the diagnosis says nothing of a lock: %s", x.Diagnosis)
	}
	waited, ok := a.Value(t, `max(max_over_time(rate(go_sync_mutex_wait_total_seconds_total{target="memories"}[5s])[40s:1s]))`, time.Now())
	if !ok || waited < 0.3 {
		t.Errorf("spreads waited for the lock %v s a second (known: %v)", waited, ok)
	}
}

// locked starts a node whose spreads hold one lock so long.
func locked(t *testing.T, hold time.Duration) *node.Node {
	t.Helper()
	home, addr := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	log := filepath.Join(testenv.Artifacts(t), "lockednode.log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := testenv.Spawn(home, log, nil, testenv.Build(t, "testenv/lockednode"), "-data-dir", filepath.Join(home, "data"), "-listen", addr, "-hold", hold.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.End(syscall.SIGTERM, 30*time.Second); err != nil {
			t.Error(err)
		}
	})
	n := &node.Node{URL: "http://" + addr}
	testenv.Eventually(t, 30*time.Second, "the node answers", n.Answers)
	return n
}
