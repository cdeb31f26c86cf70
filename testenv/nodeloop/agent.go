package nodeloop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
)

// An Agent is an engramd with an embedded node.
type Agent struct {
	*loop.Agent
	URL string // of the node
}

// AsItIs starts engramd with the agent.yaml of the project as it is, but for its two ports.
func AsItIs(t testing.TB) *Agent {
	t.Helper()
	a := &Agent{Agent: loop.Bare(t)}
	text, err := os.ReadFile(filepath.Join(root(t), "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	node := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	a.URL = "http://" + node
	a.Write(t, strings.NewReplacer("127.0.0.1:9090", a.Addr, "127.0.0.1:7432", node).Replace(string(text)))
	a.Launch(t)
	return a
}

// With starts engramd with an embedded node, of whose section in agent.yaml more are given, and with more of agent.yaml, in which
// {{.node}} is its URL.
func With(t testing.TB, section, more string) *Agent {
	t.Helper()
	a := &Agent{Agent: loop.Bare(t)}
	node := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	a.URL = "http://" + node
	a.Write(t, strings.NewReplacer("{{.node}}", a.URL, "{{.home}}", filepath.Dir(a.ConfigFile)).Replace(
		fmt.Sprintf("version: 1\nlisten: {agent: %q, node: %q}\nnode:\n  enabled: true\n%s\n%s", a.Addr, node, section, more)))
	a.Start(t)
	return a
}

// root is the top of the project.
func root(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("nodeloop: find the project: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// Log is what engramd wrote.
func (a *Agent) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(a.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Storage is what a node has stored.
type Storage struct {
	Owner        string `json:"owner"`
	Distribution struct {
		Hot, Warm, Cold, Total int
	} `json:"tier_distribution"`
	WAL struct {
		DiskBytes int64 `json:"disk_bytes"`
	} `json:"wal"`
}

// Eviction is how a node evicts.
type Eviction struct {
	HotThreshold float64 `json:"hot_threshold"`
	Owner        string  `json:"owner"`
}

// Threading is how many workers a node has.
type Threading struct {
	Settings struct {
		SpreadingWorkers int `json:"spreading_workers"`
	} `json:"settings"`
	Spreading struct {
		Workers int `json:"workers"`
	} `json:"spreading"`
}

// Get reads what the admin API of the node at url tells.
func Get[T any](t testing.TB, url, path string) (v T) {
	t.Helper()
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Get(url + "/api/v1/admin/" + path)
	if err != nil {
		t.Fatalf("nodeloop: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("nodeloop: %s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatalf("nodeloop: %s: %v", path, err)
	}
	return v
}

// Shell runs a line as a user types it, and returns what it wrote.
func Shell(t testing.TB, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("nodeloop: %s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}
