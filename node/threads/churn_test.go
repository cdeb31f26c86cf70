package threads_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// keepThread starts a thread that stays until end is closed, and ends then.
func keepThread(end <-chan struct{}) (tid int) {
	ids := make(chan int)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends
		ids <- unix.Gettid()
		<-end
	}()
	return <-ids
}

// TestTasksWhileOthersEnd: the kernel ends its list where the thread ends at which it stands; those behind it are listed all the same.
func TestTasksWhileOthersEnd(t *testing.T) {
	for range 500 {
		end, after := make(chan struct{}), make(chan struct{})
		for range 4 {
			keepThread(end)
		}
		last := keepThread(after)
		close(end)
		for range 4 {
			if listed := tasks(t); listed[last] == nil {
				t.Fatalf("thread %d is not among %d that are listed", last, len(listed))
			}
		}
		close(after)
	}
}
