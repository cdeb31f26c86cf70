package node

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

const (
	readyWithin = 30 * time.Second
	stopsWithin = 30 * time.Second
)

// A Node is one memory node, running or not. Its methods are for the test's goroutine.
type Node struct {
	URL     string // of its API
	Dir     string // of its data
	LogFile string // what it wrote, over all its starts
	Home    string // its working directory
	Binary  string // engramd

	port    int
	flags   []string
	process *testenv.Process
}

// Start starts a node with more flags of engramd node serve, and waits until it answers. It is stopped at the end of the
// test.
func Start(t testing.TB, flags ...string) *Node {
	t.Helper()
	home := t.TempDir()
	port := testenv.Port(t)
	n := &Node{
		URL: fmt.Sprintf("http://localhost:%d", port), Dir: filepath.Join(home, "data"), Home: home, Binary: os.Getenv("ENGRAMD_BIN"),
		LogFile: filepath.Join(testenv.Artifacts(t), "node.log"), port: port, flags: flags,
	}
	if n.Binary == "" {
		n.Binary = testenv.Build(t, "cmd/engramd")
	}
	if err := os.WriteFile(n.LogFile, nil, 0o644); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	t.Cleanup(func() {
		if err := n.process.End(syscall.SIGKILL, stopsWithin); err != nil {
			t.Errorf("testenv/node: %v", err)
		}
	})
	n.Start(t)
	return n
}

// Start starts the node again after it was stopped or killed, and waits until it answers.
func (n *Node) Start(t testing.TB) {
	t.Helper()
	args := append([]string{"node", "serve", "--data-dir", n.Dir, "--listen", fmt.Sprintf("127.0.0.1:%d", n.port)}, n.flags...)
	var err error
	if n.process, err = testenv.Spawn(n.Home, n.LogFile, n.environment(), n.Binary, args...); err != nil {
		t.Fatalf("testenv/node: start: %v", err)
	}
	testenv.Eventually(t, readyWithin, "the node answers", func() bool {
		if !n.process.Running() {
			t.Fatalf("testenv/node: it has ended (%v):\n%s", n.process.Err(), n.Log(t))
		}
		return n.Answers()
	})
}

func (n *Node) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.Home}
}

// Answers tells whether the node is there and well.
func (n *Node) Answers() bool {
	resp, err := http.Get(n.URL + "/health")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Stop ends the node in an orderly way (SIGTERM), and fails the test unless it ends well and in time.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	n.ends(t, syscall.SIGTERM)
}

// Ends waits for the end of a node that was told to end, and fails the test unless it ends well and in time.
func (n *Node) Ends(t testing.TB) {
	t.Helper()
	n.ends(t, syscall.Signal(0)) // reaches nobody
}

func (n *Node) ends(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := n.process.End(sig, stopsWithin); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	if err := n.process.Err(); err != nil {
		t.Fatalf("testenv/node: it ended badly: %v\n%s", err, n.Log(t))
	}
}

// Signal sends a signal, and returns an error if the node is still there after that time.
func (n *Node) Signal(sig syscall.Signal, within time.Duration) error {
	return n.process.End(sig, within)
}

// Kill kills the node as a crash would.
func (n *Node) Kill(t testing.TB) {
	t.Helper()
	if err := n.process.End(syscall.SIGKILL, stopsWithin); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
}

// Log is what the node wrote.
func (n *Node) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(n.LogFile)
	if err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	return string(text)
}

// PID is the id of the node's process.
func (n *Node) PID() int { return n.process.PID() }
