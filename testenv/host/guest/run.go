package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/engramd/engramd/testenv/host/frames"
)

// run carries out one request.
func run(w http.ResponseWriter, r *http.Request) {
	var c frames.Command
	if err := json.Unmarshal([]byte(r.Header.Get("Command")), &c); err != nil || len(c.Args) == 0 {
		http.Error(w, "the header Command names no command", http.StatusBadRequest)
		return
	}
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil { // output comes while input still goes
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out := frames.NewWriter(w, control.Flush)
	code, err := execute(r.Context(), c, r, out)
	out.End(code, err) // a caller who has hung up misses nothing
}

// execute runs a command to its end and returns its exit code.
func execute(ctx context.Context, c frames.Command, r *http.Request, out *frames.Writer) (int, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), "HOME=/root", "USER=root")
	cmd.Env = append(cmd.Env, c.Env...)
	if c.Input {
		cmd.Stdin = r.Body
	}
	cmd.Stdout, cmd.Stderr = out.Stream(frames.Stdout), out.Stream(frames.Stderr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second // for what it left in the background with its output open
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); ended || errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if cmd.ProcessState == nil {
		return -1, err
	}
	return cmd.ProcessState.ExitCode(), err
}
