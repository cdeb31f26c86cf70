package main

import (
	"errors"
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
	deadline := time.After(patience)
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("%v did not succeed within %s: %v", args, patience, err)
		case <-retry.C:
		}
	}
}
