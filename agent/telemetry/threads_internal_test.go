package telemetry

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A tree is a /proc of threads that a test moves on.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree { return tree{t, t.TempDir()} }

// thread writes what the scheduler says of a thread: seconds that it ran and waited, and its state.
func (x tree) thread(pid, tid int, run, wait float64, state string, children ...int) {
	x.t.Helper()
	dir := filepath.Join(x.root, "proc", fmt.Sprint(pid), "task", fmt.Sprint(tid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		x.t.Fatal(err)
	}
	var list strings.Builder
	for _, c := range children {
		list.WriteString(fmt.Sprint(c, " "))
	}
	for name, text := range map[string]string{
		"schedstat": fmt.Sprintf("%.0f %.0f 7\n", run*1e9, wait*1e9),
		"stat":      fmt.Sprintf("%d (a) S (b)) %s 1 2 3\n", tid, state),
		"children":  list.String(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			x.t.Fatal(err)
		}
	}
}

func (x tree) end(pid, tid int) {
	if err := os.RemoveAll(filepath.Join(x.root, "proc", fmt.Sprint(pid), "task", fmt.Sprint(tid))); err != nil {
		x.t.Fatal(err)
	}
}

// Threads come and go, and their ids are used again; what they did is added up and never goes back.
func TestThreadsAreFollowed(t *testing.T) {
	x := newTree(t)
	x.thread(10, 10, 5, 1, "S", 20)
	x.thread(10, 11, 3, 1, "D")
	x.thread(20, 20, 2, 0, "R")
	threads := &threads{root: x.root, pid: 10}
	now := time.Unix(1000, 0)
	read := func(run, wait, busiest float64, all, blocked int) {
		t.Helper()
		sums, counts, err := threads.read(now)
		if err != nil {
			t.Fatal(err)
		}
		if sums.run.Seconds() != run || sums.wait.Seconds() != wait || counts.all != all || counts.blocked != blocked {
			t.Errorf("ran %v, waited %v, %d threads, %d blocked; want %v, %v, %d, %d", sums.run, sums.wait, counts.all, counts.blocked, run, wait, all, blocked)
		}
		if math.Abs(counts.busiest-busiest) > 1e-9 && math.IsNaN(counts.busiest) != math.IsNaN(busiest) || !math.IsNaN(busiest) && math.Abs(counts.busiest-busiest) > 1e-9 {
			t.Errorf("the busiest ran %v, want %v", counts.busiest, busiest)
		}
	}
	read(0, 0, math.NaN(), 3, 1) // what was before the first reading is nobody's

	now = now.Add(10 * time.Second)
	x.thread(10, 10, 6, 1.5, "S", 20)
	x.thread(20, 20, 11, 0, "R")
	read(10, 0.5, 0.9, 3, 1)

	now = now.Add(10 * time.Second)
	x.end(10, 11)
	x.thread(10, 12, 1, 2, "S") // began since, so all of it counts
	read(11, 2.5, 0.1, 3, 0)

	now = now.Add(10 * time.Second)
	x.thread(10, 12, 0.5, 0.25, "S") // another thread of the same id
	read(11.5, 2.75, 0.05, 3, 0)

	now = now.Add(time.Millisecond) // too soon for another reading
	x.thread(10, 10, 7, 1.5, "D", 20)
	read(11.5, 2.75, 0.05, 3, 0)

	now = now.Add(10 * time.Second)
	x.thread(10, 11, 13, 1, "S") // it was there all the time, and not among those that were listed
	read(12.5, 2.75, 1/10.001, 4, 1)
	now = now.Add(10 * time.Second)
	x.thread(10, 11, 17, 2, "S")
	read(16.5, 3.75, 0.4, 4, 1)
}

// What cannot be read is absent: no process, no counts, more threads than are looked at, nonsense.
func TestThreadsThatCannotBeRead(t *testing.T) {
	for name, break_ := range map[string]func(x tree){
		"no process":   func(x tree) { os.RemoveAll(filepath.Join(x.root, "proc/10")) },
		"nonsense":     func(x tree) { x.write("proc/10/task/10/schedstat", "one two three\n") },
		"too short":    func(x tree) { x.write("proc/10/task/10/schedstat", "1 2\n") },
		"negative":     func(x tree) { x.write("proc/10/task/10/schedstat", "-1 2 3\n") },
		"too many":     func(x tree) { x.crowd(maxThreads) },
		"all zero":     func(x tree) { x.thread(10, 10, 0, 0, "S") },
		"no schedstat": func(x tree) { os.Remove(filepath.Join(x.root, "proc/10/task/10/schedstat")) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newTree(t)
			x.thread(10, 10, 1, 1, "S")
			break_(x)
			var m measurement
			m.at = time.Unix(1000, 0)
			m.threadRun, m.threadWait, m.busiest, m.blocked = math.NaN(), math.NaN(), math.NaN(), math.NaN()
			m.threads(&threads{root: x.root, pid: 10}, nil)
			if known(m.threadRun) || known(m.threadWait) || known(m.busiest) || known(m.blocked) || len(m.samples) > 0 {
				t.Errorf("%+v %v", m.reading, m.samples)
			}
		})
	}
}

func (x tree) write(name, text string) {
	if err := os.WriteFile(filepath.Join(x.root, name), []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

func (x tree) crowd(n int) {
	for i := range n {
		x.thread(10, 100+i, 0, 0, "S")
	}
}

func FuzzSchedstat(f *testing.F) {
	f.Add([]byte("151120 4580 2\n"))
	f.Add([]byte("0 0 0"))
	f.Add([]byte("9223372036854775808 1 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if one, err := parseSchedstat(text); err == nil && (one.run < 0 || one.wait < 0) {
			t.Errorf("%q: %+v", text, one)
		}
		stateOf(text)
	})
}
