package loop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2ENewcomer goes the way of the README: init, check, doctor, run, and the first proposal, without writing a line.
func TestE2ENewcomer(t *testing.T) {
	t.Parallel()
	d := startEngine(t, docker.DefaultBridge())
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.25, Network: "bridge",
		Labels: map[string]string{"prometheus.io/port": "8080"}})
	trace := loop.WatchCPU(t, c.ID)
	a := loop.Bare(t)
	a.Env = []string{"DOCKER_HOST=" + d.Host()}

	a.Do(t, "init", "--file", a.ConfigFile)
	if r := a.Command(t, "init", "--file", a.ConfigFile); r.Code == 0 {
		t.Error("init wrote over a file")
	}
	text, err := os.ReadFile(a.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("engramd init wrote:\n%s", text)
	if !strings.Contains(string(text), "container: engram") || !strings.Contains(string(text), "mode: approve") {
		t.Error("init did not find the container, or does not ask before it acts")
	}
	if out := a.Do(t, "check"); !strings.Contains(out, "is fine: 1 targets") {
		t.Errorf("check says:\n%s", out)
	}
	elsewhere(t, a, string(text)) // another engramd may have the usual port on this machine
	a.Do(t, "check")
	for _, f := range findings(t, a) {
		if f.Needed && !f.OK {
			t.Errorf("doctor: %s: %s (%s)", f.What, f.Detail, f.Remedy)
		}
	}
	a.Start(t)
	if target := a.Target(t, "engram"); target.Mode != "approve" || target.State != "ok" && target.State != "blind" {
		t.Errorf("the target is %s in mode %s: %s", target.State, target.Mode, target.Detail)
	}
	// The same in a hurry: the first proposal, the first yes.
	hurried := strings.NewReplacer("interval: 15s", "interval: 1s", "[1m]", "[4500ms]", "for: 2m", "for: 2s").Replace(string(text))
	elsewhere(t, a, hurried)
	a.Do(t, "reload")
	c.Do(t, "/spin?on")
	waiting := a.Await(t, soon, "a growth is proposed", loop.Changes("cpu", "250", "500", "waiting"))
	if plan := a.Do(t, "plan"); !strings.Contains(plan, "250m -> 500m") || !strings.Contains(plan, "engramd approve "+waiting.ID) {
		t.Errorf("plan does not say what to do:\n%s", plan)
	}
	expectLimits(t, trace, 0.25)
	a.Do(t, "approve", waiting.ID)
	a.Await(t, soon, "it is done", func(x loop.Action) bool { return x.ID == waiting.ID && x.State == "validating" })
	expectLimits(t, trace, 0.25, 0.5)
	if explained := a.Do(t, "explain", waiting.ID); !strings.Contains(explained, "approved") || !strings.Contains(explained, "raised cpu of engram from 250m to 500m while it ran") {
		t.Errorf("explain says:\n%s", explained)
	}
	a.Stop(t)
}

// TestE2EDefaultConfiguration runs the agent.yaml of the repository as it is: it watches what runs here, and changes nothing.
func TestE2EDefaultConfiguration(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.25})
	trace := loop.WatchCPU(t, c.ID)
	c.Do(t, "/spin?on")
	text, err := os.ReadFile("../../agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a := loop.Bare(t)
	a.Env = []string{"DOCKER_HOST=" + d.Host()}
	elsewhere(t, a, string(text))
	a.Start(t)
	for _, name := range []string{"engram", "later"} {
		if name == "later" {
			run(t, d, docker.Spec{Name: name, Image: image, CPUs: 0.1})
			a.Do(t, "reload")
		}
		testenv.Eventually(t, soon, name+" is watched, in mode approve", func() bool {
			target := a.Target(t, name)
			return target.Mode == "approve" && (target.State == "ok" || target.State == "blind")
		})
	}
	testenv.Eventually(t, soon, "the host and the container are measured", func() bool {
		_, host := a.Value(t, "engramd_host_memory_available_bytes", time.Now())
		_, used := a.Value(t, `rate(engramd_target_cpu_seconds_total{target="engram"}[1m])`, time.Now())
		return host && used
	})
	expectLimits(t, trace, 0.25)
	if all := a.Actions(t); len(all) > 0 {
		t.Errorf("there are actions:\n%s", loop.Story(all))
	}
}

type finding struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
}

func findings(t *testing.T, a *loop.Agent) []finding {
	t.Helper()
	r := a.Command(t, "doctor", "-o", "json")
	var all []finding
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil || len(all) < 5 {
		t.Fatalf("doctor: exit code %d, %v:\n%s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	if r.Code != 0 {
		t.Errorf("doctor: exit code %d: %s", r.Code, r.Stderr)
	}
	return all
}

// elsewhere moves an agent.yaml to ports of the test's own.
func elsewhere(t *testing.T, a *loop.Agent, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "127.0.0.1:7432", fmt.Sprintf("127.0.0.1:%d", testenv.Port(t)))
	moved := strings.ReplaceAll(text, "127.0.0.1:9090", a.Addr)
	if moved == text {
		moved += "\nlisten: {agent: \"" + a.Addr + "\"}\n"
	}
	a.Write(t, moved)
}
