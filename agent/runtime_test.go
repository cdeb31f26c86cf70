package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/actuators/process"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// oldGo is a program in Go that does not follow its limit.
func oldGo() *process.Runtime {
	return &process.Runtime{Kind: process.Go, Version: "go1.22.5", PID: 7,
		CPU: process.Fixed{Why: "go1.22.5 counts its processors only at its start (GOMAXPROCS)", Restart: true}}
}

// fixedHeap is a Java virtual machine with a heap of two gibibytes.
func fixedHeap() *process.Runtime {
	return &process.Runtime{Kind: process.JVM, PID: 7, Heap: new(int64(2 << 30)), HeapFrom: "-Xmx2g",
		CPU: process.Fixed{Why: "a JVM sizes its pools of threads at its start", Restart: true}, Memory: process.Fixed{Why: "-Xmx2g fixes its heap"}}
}

func TestApplyFollowsWhatRunsInside(t *testing.T) {
	jvm := map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyRestart}
	for name, test := range map[string]struct {
		said    string
		apply   map[policy.Resource]policy.Apply
		found   *process.Runtime
		want    map[policy.Resource]policy.Apply
		runtime string
	}{
		"nothing found":                   {"auto", nil, nil, nil, "auto"},
		"not to be seen":                  {"auto", nil, &process.Runtime{Kind: process.Unknown}, nil, "auto"},
		"Go is live":                      {"auto", nil, oldGo(), nil, "go"},
		"another is live":                 {"auto", nil, &process.Runtime{Kind: process.Other}, nil, "other"},
		"a heap restarts":                 {"auto", nil, fixedHeap(), jvm, "jvm"},
		"a heap that is only said":        {"jvm", nil, nil, jvm, "jvm"},
		"who says other means it":         {"other", nil, fixedHeap(), nil, "other"},
		"who says live means it":          {"auto", map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyLive}, fixedHeap(), map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyLive}, "jvm"},
		"what is said of cpu stays":       {"auto", map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart}, fixedHeap(), map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart, policy.Memory: policy.ApplyRestart}, "jvm"},
		"grow-live stays with what it is": {"jvm", map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyGrowLive}, nil, map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyGrowLive}, "jvm"},
	} {
		t.Run(name, func(t *testing.T) {
			tg := &target{cfg: config.Target{Target: policy.Target{Runtime: test.said, Apply: test.apply}}, runtime: test.found}
			before := len(test.apply)
			got := tg.subject()
			if diff := cmp.Diff(test.want, got.Apply); diff != "" {
				t.Error(diff)
			}
			if got.Runtime != test.runtime {
				t.Errorf("runtime %q, want %q", got.Runtime, test.runtime)
			}
			if len(test.apply) != before {
				t.Error("the configuration was changed")
			}
		})
	}
}

func TestHints(t *testing.T) {
	growth := func(r policy.Resource) policy.Decision {
		return policy.Decision{Proposal: policy.Proposal{Change: policy.Change{Resource: r}, Direction: policy.Growth}}
	}
	for name, test := range map[string]struct {
		found    *process.Runtime
		r        policy.Resource
		strategy policy.Strategy
		want     []string
	}{
		"an old Go": {oldGo(), policy.CPU, policy.Live, []string{
			"the process will not follow by itself: go1.22.5 counts its processors only at its start (GOMAXPROCS): restart it, or apply: {cpu: restart}"}},
		"an old Go that restarts": {oldGo(), policy.CPU, policy.Restart, nil},
		"a fixed heap": {fixedHeap(), policy.Memory, policy.Restart, []string{
			"a JVM's heap does not follow its limit, so memory changes by a restart; apply: {memory: live} changes the limit alone",
			"-Xmx2g fixes its heap, after a restart, too: more memory helps only what is not heap; change that option, or use -XX:MaxRAMPercentage"}},
		"another":      {&process.Runtime{Kind: process.Other}, policy.CPU, policy.Live, nil},
		"nothing seen": {nil, policy.Memory, policy.Live, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tg := &target{runtime: test.found}
			if diff := cmp.Diff(test.want, tg.hints(growth(test.r), actuators.Plan{Strategy: test.strategy})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// runs sees something in every target.
type runs struct {
	senseAll
	inside *process.Runtime
}

func (r runs) Used(target string, from, to time.Time) actuators.Usage {
	u := r.senseAll.Used(target, from, to)
	u.Runtime = r.inside
	return u
}

// TestAFixedHeapIsAFloor keeps a decrease of memory above a heap that would not shrink with it.
func TestAFixedHeapIsAFloor(t *testing.T) {
	s := busy(1000, 0.1)
	s.Sizes[policy.Memory] = policy.Amount(8 << 30)
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", s)
		w.sensing = func(s senseAll) senses { return runs{s, fixedHeap()} }
		w.querier.Define("cpu", func(time.Time) (float64, bool) { return 10, true })
		w.edit(`{when: {cpu: "< 30"}, do: none}`, `{when: {cpu: "< 30"}, for: 30s, do: scale, change: {memory: {to: 1Gi}}}`)
		w.start("agent.yaml")
		w.pass(2 * time.Minute)
		views := ask(w, func(l *loop) []view { return l.targets["app"].views })
		if len(views) != 1 {
			t.Fatalf("%d decisions, want one", len(views))
		}
		d := views[0].decision
		want := policy.Touch{Limit: "heap", From: policy.Amount(1 << 30), To: policy.Amount(2560 << 20),
			Text: "-Xmx2g fixes the heap at 2Gi, and with a quarter for what is not heap it needs 2.5Gi"}
		if len(d.Touches) != 1 || d.Touches[0] != want {
			t.Errorf("limits that touched it: %v, want %v", d.Touches, want)
		}
		if d.Runtime != "jvm, pid 7; a JVM sizes its pools of threads at its start; -Xmx2g fixes its heap" {
			t.Errorf("the decision says of what runs inside: %q", d.Runtime)
		}
		if views[0].plan.Strategy != policy.Restart {
			t.Errorf("memory of a JVM is to change %s", views[0].plan.Strategy)
		}
	})
}

// TestWhatDoesNotFollowIsNamed says of a growth that had no effect why that may be.
func TestWhatDoesNotFollowIsNamed(t *testing.T) {
	s := busy(500, 4)
	s.Load = func(time.Time) fake.Load { return fake.Load{Cores: 4, Threads: 1.005, Memory: 1 << 20} }
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", s)
		w.sensing = func(s senseAll) senses { return runs{s, oldGo()} }
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(2 * time.Hour)
		const want = "or the process did not pick it up: go1.22.5 counts its processors only at its start (GOMAXPROCS): restart it, or apply: {cpu: restart}"
		for _, a := range w.actions() {
			if a.State == actuators.RolledBack && strings.Contains(a.Reason, want) {
				return
			}
		}
		t.Error("no action that was taken back says " + want)
	})
}
