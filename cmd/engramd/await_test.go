package main

import (
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func exitCode(err error) int {
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode()
	}
	return -1
}

// patience is how long a script waits for an agent beside it.
const patience = 30 * time.Second

// eventually COMMAND... runs a command until it succeeds. The agent runs in another process, so there
// is no virtual time here.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, fmt.Sprint(args), func() bool { return ts.Exec(args[0], args[1:]...) == nil })
}

// await waits until a condition holds.
func await(ts *testscript.TestScript, what string, holds func() bool) {
	deadline := time.After(patience)
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for !holds() {
		select {
		case <-deadline:
			ts.Fatalf("%s did not come within %s", what, patience)
		case <-retry.C:
		}
	}
}
