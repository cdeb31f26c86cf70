package loop_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2ENewcomer goes the way of the README: init, check, doctor, run, and the first proposal, without writing a line.
func TestE2ENewcomer(t *testing.T) {
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
		if !f.OK {
			t.Errorf("doctor: %s: %s (%s)", f.What, f.Detail, f.Remedy)
		}
	}
	a.Start(t)
	if target := a.Target(t, "engram"); target.Mode != "approve" || target.State != "ok" && target.State != "blind" {
		t.Errorf("the target is %s in mode %s: %s", target.State, target.Mode, target.Detail)
	}
	expectLimits(t, trace, 0.25)
	a.Stop(t)
}

type finding struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
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

// elsewhere moves an agent.yaml to the test's port.
func elsewhere(t *testing.T, a *loop.Agent, text string) {
	t.Helper()
	moved := strings.ReplaceAll(text, "127.0.0.1:9090", a.Addr)
	if moved == text {
		moved += "\nlisten: {agent: \"" + a.Addr + "\"}\n"
	}
	a.Write(t, moved)
}
