package demo

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A Demo is one that runs. It dies with the test.
type Demo struct {
	// Temp is the directory for temporary files that it was given.
	Temp string

	cmd   *exec.Cmd
	mu    sync.Mutex
	text  bytes.Buffer
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// Options of a demo.
type Options struct {
	Args []string
	Env  []string
	// TTY is the terminal that it runs on; nil is a pipe.
	TTY, Person *os.File
	// Stdout takes the lines instead; the caller closes it.
	Stdout *os.File
	// Attributes are changed before it starts.
	Attributes func(*syscall.SysProcAttr)
}

// Start starts the binary that ENGRAMD_BIN names, or one that is built.
func Start(t testing.TB, o Options) *Demo {
	t.Helper()
	d := &Demo{Temp: t.TempDir(), ended: make(chan struct{})}
	d.cmd = exec.Command(Binary(t), append([]string{"demo"}, o.Args...)...)
	d.cmd.Env = append(os.Environ(), append([]string{"TMPDIR=" + d.Temp, "TERM=xterm-256color", "LANG=C.UTF-8"}, o.Env...)...)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d.cmd.Stdout, d.cmd.Stderr = d, d
	var reading sync.WaitGroup
	if o.TTY != nil {
		d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = o.TTY, o.TTY, o.TTY
		d.cmd.SysProcAttr.Setsid, d.cmd.SysProcAttr.Setctty, d.cmd.SysProcAttr.Ctty = true, true, 0
		reading.Go(func() { d.read(o.Person) })
	}
	if o.Stdout != nil {
		d.cmd.Stdout = o.Stdout
	}
	if o.Attributes != nil {
		o.Attributes(d.cmd.SysProcAttr)
	}
	started := make(chan error)
	go func() {
		defer close(d.ended)
		// The kernel sends the signal at the end of the thread that started the child, not of the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			d.err = d.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start engramd demo: %v", err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
		if o.TTY != nil {
			o.TTY.Close()
			o.Person.Close()
			reading.Wait()
		}
	})
	return d
}

// Binary is the one under test.
func Binary(t testing.TB) string {
	if ready := os.Getenv("ENGRAMD_BIN"); ready != "" {
		return ready
	}
	return testenv.Build(t, "cmd/engramd")
}

// Write takes the output of a demo in a pipe.
func (d *Demo) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

func (d *Demo) read(person *os.File) {
	b := make([]byte, 4096)
	for {
		n, err := person.Read(b)
		_, _ = d.Write(b[:n])
		if err != nil {
			return
		}
	}
}

// Text is what it wrote so far.
func (d *Demo) Text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// Shows waits until it has written a text. It fails the test if the demo ends before, or the time is over.
func (d *Demo) Shows(t testing.TB, what string, within time.Duration) {
	t.Helper()
	testenv.Eventually(t, within, "the demo shows "+what, func() bool {
		if strings.Contains(d.Text(), what) {
			return true
		}
		select {
		case <-d.ended:
			t.Fatalf("it ended (%v) before it showed %q:\n%s", d.err, what, d.Text())
		default:
		}
		return false
	})
}

// Signal sends it a signal.
func (d *Demo) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Ends waits for its end and returns the exit code, -1 for a signal.
func (d *Demo) Ends(t testing.TB, within time.Duration) int {
	t.Helper()
	within = testenv.Patience(within)
	select {
	case <-d.ended:
	case <-time.After(within):
		t.Fatalf("it has not ended within %v:\n%s", within, d.Text())
	}
	if exit, failed := errors.AsType[*exec.ExitError](d.err); failed {
		return exit.ExitCode()
	}
	if d.err != nil {
		t.Fatal(d.err)
	}
	return 0
}
