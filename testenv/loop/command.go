package loop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// commandWithin bounds one command: none of them waits for anything long.
const commandWithin = 60 * time.Second

// A Result is what a command of engramd left.
type Result struct {
	Stdout, Stderr string
	Code           int // the exit code
}

// Command runs a command of engramd against this agent, in the directory of its agent.yaml.
func (a *Agent) Command(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience(commandWithin))
	defer cancel()
	cmd := exec.CommandContext(ctx, a.binary, args...)
	cmd.Dir = filepath.Dir(a.ConfigFile)
	cmd.Env = append(a.environment(), "ENGRAMD_ADDR="+a.Addr)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("loop: engramd %s: %v", strings.Join(args, " "), err)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Do runs a command that must succeed, and returns what it printed.
func (a *Agent) Do(t testing.TB, args ...string) string {
	t.Helper()
	r := a.Command(t, args...)
	if r.Code != 0 {
		t.Fatalf("loop: engramd %s: exit code %d:\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Ask runs a command that must succeed with -o json, and reads its answer.
func (a *Agent) Ask(t testing.TB, into any, args ...string) {
	t.Helper()
	text := a.Do(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("loop: engramd %s: %v:\n%s", strings.Join(args, " "), err, text)
	}
}
