// Package engramd_test holds the house together: which room may import which, and why.
package engramd_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/engramd/engramd/"

// An arrow allows packages under from to import packages under to. A name with /... stands for the
// package and all below it.
type arrow struct{ from, to, why string }

// arrows lists every import between rooms that is allowed. There are no others.
var arrows = []arrow{
	{"cmd/...", "agent/...", "the command starts the agent and talks to its API"},
	{"cmd/...", "rules/...", "check lints rule files"},
	{"cmd/...", "policy/...", "plans and decisions are printed"},
	{"cmd/...", "actuators/...", "the registry of drivers is made here, and only here"},
	{"cmd/...", "node/...", "node serve"},
	{"cmd/...", "demo/...", "engramd demo"},

	{"demo", "demo/show", "it shows what happens"},
	{"demo", "agent/...", "a real agent, looked at as its API shows it"},
	{"demo", "actuators", "states of actions; the registry is handed to it"},
	{"demo", "policy", "resources and readings"},
	{"demo", "node/...", "the load is a client of the node, with the memories of its benchmarks"},

	{"agent", "agent/...", "the agent puts its rooms together"},
	{"agent", "rules", "alerts are evaluated beside matrices"},
	{"agent", "actuators", "the executor and the contracts; drivers come in through the registry"},
	{"agent", "actuators/cgroup", "the host's capacity for admission"},
	{"agent", "actuators/process", "what runs inside a target gives its apply"},
	{"agent", "policy/...", "deciding is pure and lives there"},
	{"agent", "node/...", "to embed it; it is talked to over HTTP like any other"},
	{"agent/config", "actuators", "procedures, and the registry that decodes a driver's section"},
	{"agent/config", "policy/...", "targets and policies are what a configuration describes"},
	{"agent/config", "rules/...", "expressions and rule files are checked while loading"},
	{"agent/config", "node/...", "the node's options, checked by the rooms that they are for"},
	{"agent/nodehost", "node/...", "it opens a node and serves it"},
	{"agent/nodehost", "agent/config", "the node's section, and engram.yaml"},
	{"agent/nodehost", "agent/api", "the gate and the listener, which follow the same rules as the agent's"},
	{"agent/nodehost", "policy", "when a cron expression is due"},
	{"agent/journal/...", "actuators", "it keeps actions, beside the host lock too"},
	{"agent/journal/...", "policy", "it keeps decisions"},
	{"agent/events", "actuators", "it is the executor's event sink"},
	{"agent/events", "policy", "events are data of policy"},
	{"agent/telemetry", "actuators", "states and use of targets"},
	{"agent/telemetry", "actuators/cgroup", "it reads the targets' cgroups"},
	{"agent/telemetry", "actuators/process", "it knows the targets' processes"},
	{"agent/telemetry", "agent/telemetry/...", "the query API over its store"},
	{"agent/telemetry", "policy", "readings"},
	{"agent/api/...", "agent/api", "view writes its structs as text"},
	{"agent/api/...", "actuators", "it shows actions"},
	{"agent/api/...", "policy", "it shows decisions"},
	{"agent/api/...", "policy/diagnose", "it shows diagnoses"},
	{"agent/diagnosis", "actuators", "what a target used is evidence"},
	{"agent/diagnosis", "policy/...", "readings are evidence, and policy/diagnose judges it"},
	{"agent/sizing", "agent/telemetry", "a matrix is replayed over the same store as live"},
	{"agent/sizing", "agent/config", "policies of agent.yaml are replayed"},
	{"agent/sizing", "policy/...", "replay and capacity"},
	{"agent/sizing", "node/api", "what a running node shows replaces constants"},

	{"rules", "rules/...", "its own presets"},
	{"actuators", "policy", "targets, sizes and events"},
	{"actuators", "actuators/process", "what runs inside a target is part of its use: it tells whether it follows a change"},
	{"actuators/...", "actuators", "drivers implement the contract of their parent; never each other"},
	{"actuators/...", "actuators/cgroup", "drivers read the effective state"},
	{"actuators/...", "policy", "targets and sizes"},
	{"policy/...", "policy/...", "pure: no room outside"},
	{"node/...", "node/...", "the node stands alone"},
	{"testenv/...", "...", "tests may start anything; product code never imports it"},
}

func TestImportsFollowTheHouse(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0]+"/", module)
		for _, imp := range fields[1:] {
			to, ours := strings.CutPrefix(imp+"/", module)
			if !ours {
				continue
			}
			if !allowed(strings.Trim(from, "/"), strings.Trim(to, "/")) {
				t.Errorf("%s imports %s: no arrow of the house allows it; move the code to the room where it belongs, or add the arrow with its reason", from, to)
			}
		}
	}
}

// TestPolicyIsPure holds the promise of package policy: no I/O and no clock.
func TestPolicyIsPure(t *testing.T) {
	forbidden := map[string]string{
		"net":       "policy does no I/O",
		"net/http":  "policy does no I/O",
		"os":        "policy does no I/O",
		"os/exec":   "policy does no I/O",
		"log":       "policy returns reasons; others log",
		"log/slog":  "policy returns reasons; others log",
		"context":   "nothing in policy waits",
		"sync":      "nothing in policy runs beside anything",
		"math/rand": "same inputs, same decision",
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./policy/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, imp := range fields[1:] {
			if why, bad := forbidden[imp]; bad {
				t.Errorf("%s imports %s: %s", fields[0], imp, why)
			}
		}
	}
	out, err = exec.Command("grep", "-rnE", `time\.(Now|Since|Until|After|Sleep|NewTimer|NewTicker)\(`, "policy", "--include=*.go", "--exclude=*_test.go").CombinedOutput()
	if err == nil {
		t.Errorf("policy reads the clock; now is an argument:\n%s", out)
	}
}

func allowed(from, to string) bool {
	for _, a := range arrows {
		if within(from, a.from) && within(to, a.to) {
			return true
		}
	}
	return false
}

func within(name, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	return name == pattern
}
