package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guidePort is the port that the guide's commands name.
const guidePort = "localhost:7432"

// A Result is what a script left.
type Result struct {
	Stdout, Stderr string
	Code           int // the exit code
}

// Shell runs a script as it stands in the guide: nothing but the port is another. engramd is in its path, and watch, which would
// go on for ever, runs its command once.
func (n *Node) Shell(t testing.TB, script string) Result {
	t.Helper()
	tools := filepath.Join(n.Home, "bin")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	once := "#!/bin/bash\nexec bash -c \"${@: -1}\"\n"
	if err := os.WriteFile(filepath.Join(tools, "watch"), []byte(once), 0o755); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	if err := os.Symlink(n.Binary, filepath.Join(tools, "engramd")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatalf("testenv/node: %v", err)
	}
	script = strings.ReplaceAll(script, guidePort, strings.TrimPrefix(n.URL, "http://"))
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", script)
	cmd.Dir, cmd.WaitDelay = n.Home, 5*time.Second
	cmd.Env = append(n.environment(), "PATH="+tools+":"+os.Getenv("PATH"), "ENGRAMD_NODE_URL="+n.URL)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("testenv/node: %v", err)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Do runs a script that must succeed, and returns what it printed.
func (n *Node) Do(t testing.TB, script string) string {
	t.Helper()
	r := n.Shell(t, script)
	if r.Code != 0 {
		t.Fatalf("testenv/node: %s", r.fault(script))
	}
	return r.Stdout
}

func (r Result) fault(script string) string {
	return fmt.Sprintf("%s\nexit code %d:\n%s%s", script, r.Code, r.Stdout, r.Stderr)
}
