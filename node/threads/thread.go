package threads

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// A thread runs functions one after the other, bound to a core.
type thread struct {
	core int
	set  affinity
	jobs chan func() // at most one waits: who hands it over never does
	ends *sync.WaitGroup

	mu  sync.Mutex
	tid int
}

// startThread returns when the thread is bound, or why it cannot be.
func startThread(core int, set affinity, ends *sync.WaitGroup) (*thread, error) {
	t := &thread{core: core, set: set, jobs: make(chan func(), 1), ends: ends}
	ready := make(chan error, 1)
	ends.Add(1)
	go t.run(ready)
	return t, <-ready
}

// run never unlocks, so that its thread ends with it and no other goroutine ever inherits the core.
func (t *thread) run(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		t.avoidMain(ready)
		return
	}
	err := t.set(0, CPUs{t.core})
	t.mu.Lock()
	t.tid = unix.Gettid()
	t.mu.Unlock()
	if ready != nil {
		ready <- err
	}
	if err != nil && ready != nil {
		t.ends.Done()
		return
	}
	t.loop()
}

// avoidMain leaves the main thread, whose mask is what people see as that of the process, to others: it keeps the thread until
// another one runs in its place.
func (t *thread) avoidMain(ready chan<- error) {
	defer runtime.UnlockOSThread()
	elsewhere := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(elsewhere)
		t.run(ready)
	}()
	<-elsewhere
}

func (t *thread) loop() {
	ended := true // by Goexit, unless what follows says otherwise
	defer func() {
		if ended {
			go t.run(nil) // the next job finds a thread; where binding is refused by now, an unbound one
			return
		}
		t.ends.Done()
	}()
	for job := range t.jobs {
		job()
	}
	ended = false
}

func (t *thread) stop() { close(t.jobs) }

func (t *thread) id() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tid
}
