package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/node/threads"
)

// waiting adds up how long the threads of this process were ready and waited for a core. Threads come and go: what each
// waited since the look before is added, so that the sum never goes back.
type waiting struct {
	mu   sync.Mutex
	last map[int]time.Duration // by thread
	sum  time.Duration
}

// look reads the scheduler's counts below root, and returns the sum; nil where the kernel does not count.
func (w *waiting) look(root string) *time.Duration {
	dir := filepath.Join(root, "proc/self/task")
	ids, err := threads.IDs(dir)
	if err != nil {
		return nil
	}
	now, counts := make(map[int]time.Duration, len(ids)), false
	for _, id := range ids {
		text, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(id), "schedstat"))
		if err != nil {
			continue // it has ended, or nobody counts
		}
		var ran, waited, slices int64 // nanoseconds, nanoseconds, a number
		if _, err := fmt.Fscan(strings.NewReader(string(text)), &ran, &waited, &slices); err != nil || ran < 0 || waited < 0 {
			continue
		}
		counts = counts || ran > 0
		now[id] = time.Duration(waited)
	}
	if !counts {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for thread, waited := range now {
		before := w.last[thread]
		if waited < before {
			before = 0 // the number is another thread's by now
		}
		w.sum += waited - before
	}
	w.last = now
	sum := w.sum
	return &sum
}
