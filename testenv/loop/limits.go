package loop

import (
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A Trace is every value that a limit had in the kernel, seen from outside while a test ran.
type Trace struct {
	mu   sync.Mutex
	seen []Sample
	err  error
}

// watchEvery is how exactly a change is seen.
const watchEvery = 2 * time.Millisecond

// WatchCPU follows the CPU limit of a container (by its id) in cores, until the test ends or the container does.
func WatchCPU(t testing.TB, id string) *Trace {
	t.Helper()
	group := testenv.Cgroup(t, id)
	return watch(t, func() (float64, error) {
		cores, _, err := group.CPULimit()
		return cores, err
	})
}

// WatchMemory follows the memory limit of a container (by its id) in bytes, until the test ends or the container does.
func WatchMemory(t testing.TB, id string) *Trace {
	t.Helper()
	group := testenv.Cgroup(t, id)
	return watch(t, func() (float64, error) {
		bytes, _, err := group.MemoryLimit()
		return float64(bytes), err
	})
}

func watch(t testing.TB, read func() (float64, error)) *Trace {
	w := &Trace{}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for w.take(read) {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return w
}

// take notes the value if it is another than before, and reports whether there is more to see.
func (w *Trace) take(read func() (float64, error)) bool {
	value, err := read()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		return false
	}
	if n := len(w.seen); n == 0 || w.seen[n-1].Value != value {
		w.seen = append(w.seen, Sample{time.Now(), value})
	}
	return true
}

// Values lists the values so far, in order.
func (w *Trace) Values() []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	values := make([]float64, len(w.seen))
	for i, s := range w.seen {
		values[i] = s.Value
	}
	return values
}

// First tells when a value was seen first.
func (w *Trace) First(value float64) (at time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seen {
		if s.Value == value {
			return s.At, true
		}
	}
	return time.Time{}, false
}

// Mean is the mean of the value over (from, to], as far as it was seen; false if it was not by then.
func (w *Trace) Mean(from, to time.Time) (mean float64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum, since := 0.0, time.Duration(0)
	for i, s := range w.seen {
		begins, ends := s.At, to
		if i+1 < len(w.seen) {
			ends = w.seen[i+1].At
		}
		if begins.Before(from) {
			begins = from
		}
		if ends.After(to) {
			ends = to
		}
		if d := ends.Sub(begins); d > 0 {
			sum += s.Value * d.Seconds()
			since += d
		}
	}
	if since <= 0 {
		return 0, false
	}
	return sum / since.Seconds(), true
}
