package hostloop

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Limit is a file of the unit's control group, such as cpu.max. Where the controller is not in use, nothing is limited.
func (u *Unit) Limit(t testing.TB, file string) string {
	t.Helper()
	return limit(u.group(t), file)
}

func (u *Unit) group(t testing.TB) string {
	t.Helper()
	return filepath.Join("/sys/fs/cgroup", u.Property(t, "ControlGroup"))
}

func limit(group, file string) string {
	content, err := os.ReadFile(filepath.Join(group, file))
	switch {
	case err == nil:
		return strings.TrimSpace(string(content))
	case file == "cpu.max":
		return "max 100000"
	}
	return "max"
}

// A Trace is every value that some files of a control group had together, seen while a test ran.
type Trace struct {
	mu   sync.Mutex
	seen []string
}

// watchEvery is how exactly a change is seen.
const watchEvery = 5 * time.Millisecond

// Watch follows files of the unit's control group until the test ends.
func (u *Unit) Watch(t testing.TB, files ...string) *Trace {
	t.Helper()
	w, group := &Trace{}, u.group(t)
	stop, ended := make(chan struct{}), make(chan struct{})
	look := func() {
		values := make([]string, len(files))
		for i, file := range files {
			values[i] = limit(group, file)
		}
		w.take(strings.Join(values, " "))
	}
	look()
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				look()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return w
}

// take notes a value if it is another than before.
func (w *Trace) take(value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.seen); n == 0 || w.seen[n-1] != value {
		w.seen = append(w.seen, value)
	}
}

// Values lists the values so far, in order.
func (w *Trace) Values() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.seen...)
}
