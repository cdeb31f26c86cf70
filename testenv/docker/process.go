package docker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A process is a daemon that was started here. Its end is noticed by a goroutine that ends with it.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// spawn starts a command in a session of its own, so that a Ctrl-C at the terminal reaches the test alone, and appends
// its output to a log file.
func spawn(logFile, command string, args ...string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(command, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		close(p.ended)
	}()
	return p, nil
}

func (p *process) running() bool {
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

// end sends a signal and waits for the process to be gone.
func (p *process) end(sig syscall.Signal, within time.Duration) error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(testenv.Patience(within)):
		return fmt.Errorf("%s has not ended %v after %v", p.cmd.Path, within, sig)
	}
}
