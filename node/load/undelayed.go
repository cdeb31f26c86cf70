package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A stopwatch tells how long something takes on the thread of its goroutine, and how much of that the thread could have run and
// had no core: on a machine that others use, too, that says more about them than about what is measured.
type stopwatch struct {
	file  *os.File // nil: the kernel does not tell
	buf   [96]byte
	at    time.Time
	delay time.Duration
}

// newStopwatch keeps the goroutine on its thread until it is closed.
func newStopwatch() *stopwatch {
	runtime.LockOSThread()
	w := &stopwatch{}
	if f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/schedstat", unix.Gettid())); err == nil {
		w.file = f
	}
	return w
}

func (w *stopwatch) close() {
	if w.file != nil {
		w.file.Close()
	}
	runtime.UnlockOSThread()
}

func (w *stopwatch) start() (err error) {
	w.delay, err = w.waited()
	w.at = time.Now()
	return err
}

// stop returns how long it took by the clock, and what the thread waited for a core meanwhile.
func (w *stopwatch) stop() (took, waited time.Duration, err error) {
	took = time.Since(w.at)
	now, err := w.waited()
	return took, min(took, now-w.delay), err
}

// waited is for how long the thread has waited for a core since it began.
func (w *stopwatch) waited() (time.Duration, error) {
	if w.file == nil {
		return 0, nil
	}
	n, err := unix.Pread(int(w.file.Fd()), w.buf[:], 0)
	if err != nil {
		return 0, fmt.Errorf("read schedstat: %w", err)
	}
	fields := bytes.Fields(w.buf[:n])
	if len(fields) < 2 {
		return 0, errors.New("read schedstat: it has fewer than two numbers")
	}
	ns, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return time.Duration(ns), err
}
