package service

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sink keeps the compiler from removing the burning loop.
var sink atomic.Uint64

// burn uses d of CPU time on one thread. Time in which the kernel holds the thread back does not count, so the work done
// is the same under any limit. It stops early when ctx ends.
func burn(ctx context.Context, d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := threadTime(); threadTime()-start < d && ctx.Err() == nil; {
		churn()
	}
}

// churn is some tens of microseconds of arithmetic.
func churn() {
	x := sink.Load() | 1
	for range 20_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink.Store(x)
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(fmt.Errorf("read the thread's CPU clock: %w", err)) // every Linux has it
	}
	return time.Duration(ts.Nano())
}

// processTime is the CPU time that all threads of the process have used.
func processTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic(fmt.Errorf("read the process's CPU clock: %w", err))
	}
	return time.Duration(ts.Nano())
}

// A spinner keeps threads busy until told to stop: load that more cores cannot help.
type spinner struct {
	mu   sync.Mutex
	stop context.CancelFunc
	done sync.WaitGroup
	n    int
}

// set makes exactly n threads spin.
func (s *spinner) set(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.done.Wait()
		s.stop = nil
	}
	if s.n = n; n == 0 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	for range n {
		s.done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for ctx.Err() == nil {
				churn()
			}
		})
	}
}

// threads tells how many spin.
func (s *spinner) threads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}
