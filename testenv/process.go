package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A Process is a child that dies with the test, also when the test is killed.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended; to be read after ended is closed
}

// Spawn starts a command in a directory, and appends its output to a log file.
func Spawn(dir, logFile string, env []string, command string, args ...string) (*Process, error) {
	return SpawnWith(nil, dir, logFile, env, command, args...)
}

// SpawnWith is Spawn for a command that is given open files, from descriptor 3 on. They stay the caller's to close.
func SpawnWith(files []*os.File, dir, logFile string, env []string, command string, args ...string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &Process{cmd: exec.Command(command, args...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, log, log
	p.cmd.ExtraFiles = files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel sends the signal at the end of the thread that started the child, not of the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// Running tells whether the process is there. A nil one never was.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// End sends a signal and waits for the process to be gone.
func (p *Process) End(sig syscall.Signal, within time.Duration) error {
	if !p.Running() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(Patience(within)):
		return fmt.Errorf("%s has not ended %v after %v", p.cmd.Path, within, sig)
	}
}

// Err is how the process ended, nil while it runs or if it ended well.
func (p *Process) Err() error {
	if p.Running() {
		return nil
	}
	return p.err
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }
