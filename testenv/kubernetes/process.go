package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a part of the cluster. It dies with the test: in the node's namespaces because the first process of them
// does, elsewhere because the kernel sends it a signal.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// spawn starts a command in the namespaces of a process (0: in ours), and appends its output to a log file.
func spawn(target int, cmd *exec.Cmd, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if target == 0 {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	// The kernel counts the thread that started a child as its parent, so the thread lives as long as the child.
	go onThread(func() {
		err := enter(target)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended stands in its log
			close(p.ended)
		}
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// onThread runs f on a thread of its own, which ends with f. Never on the process's first thread, whose namespaces are
// those that /proc/self shows.
func onThread(f func()) {
	runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() {
		defer close(done)
		onThread(f)
	}()
	<-done
}

// enter moves the calling thread into the namespaces of a process; its children are in the namespace of processes too.
func enter(target int) error {
	if target == 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a thread that shares its working directory may not change mounts
		return os.NewSyscallError("unshare", err)
	}
	fd, err := unix.PidfdOpen(target, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("setns", unix.Setns(fd, unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWNS))
}

// run runs a command to its end in the namespaces of a process (0: in ours).
func run(target int, command string, args ...string) error {
	result := make(chan error)
	go onThread(func() {
		err := enter(target)
		if err == nil {
			cmd := exec.Command(command, args...)
			var out []byte
			if out, err = cmd.CombinedOutput(); err != nil {
				err = fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
			}
		}
		result <- err
	})
	return <-result
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
	case <-time.After(within):
		return fmt.Errorf("%s has not ended %v after %v", p.cmd.Path, within, sig)
	}
}
