package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
)

// Bounds of what is looked at of one part: a reading costs two small files a thread.
const (
	maxProcesses = 64
	maxThreads   = 1024
)

// threads follow the threads of a part's process and its children, which come and go: what each did since
// the reading before is added up, so that the sums never go back.
type threads struct {
	root string
	pid  int

	mu   sync.Mutex
	at   time.Time
	last map[threadKey]threadTime // nil before the first reading
	sums threadTime
	now  threadCounts
}

type threadKey struct{ pid, tid int }

// A threadTime is what the scheduler counts of a thread.
type threadTime struct{ run, wait time.Duration }

// threadCounts are what one reading found.
type threadCounts struct {
	all, blocked int
	busiest      float64 // NaN before there are two readings
}

// placed is a part with its process, where that is known and the platform names none. c.mu is held.
func (c *collector) placed(p actuators.Part) actuators.Part {
	if isAway(p) {
		p.PID = c.target.PID
	}
	return p
}

// threadsOf returns what follows a part's threads, nil for one without a process on this host.
func (c *collector) threadsOf(p actuators.Part) *threads {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p = c.placed(p); p.PID == 0 {
		return nil
	}
	t := c.threads[keyOf(p)]
	if t == nil {
		t = &threads{root: c.root, pid: p.PID}
		c.threads[keyOf(p)] = t
	}
	return t
}

// threads adds what the scheduler says of a part's threads. What cannot be read is absent: that a kernel
// counts none is no fault.
func (m *measurement) threads(t *threads, ids []string) {
	if t == nil {
		return
	}
	sums, now, err := t.read(m.at)
	if err != nil {
		return
	}
	b := builder{ids: ids}
	m.threadRun, m.threadWait = b.duration("thread_run_seconds_total", &sums.run), b.duration("thread_wait_seconds_total", &sums.wait)
	m.busiest, m.blocked = now.busiest, float64(now.blocked)
	b.add("threads", float64(now.all))
	b.add("threads_blocked", m.blocked)
	b.ratio("thread_busiest_ratio", m.busiest)
	m.samples = append(m.samples, b.samples...)
}

// read takes a reading, and returns the sums since the first one. Readings that follow at once share one:
// shares of a moment say nothing.
func (t *threads) read(at time.Time) (threadTime, threadCounts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const moment = 20 * time.Millisecond
	over := at.Sub(t.at)
	if t.last != nil && over >= 0 && over < moment {
		return t.sums, t.now, nil
	}
	times := map[threadKey]threadTime{}
	counts := threadCounts{busiest: math.NaN()}
	for _, pid := range family(t.root, t.pid) {
		if err := tasks(t.root, pid, times, &counts); err != nil && (pid == t.pid || !gone(err)) {
			return threadTime{}, threadCounts{}, err
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(times)), func(one threadTime) bool { return one.run > 0 }) {
		return threadTime{}, threadCounts{}, errors.New("the kernel does not count what threads do")
	}
	if t.last != nil && over > 0 {
		counts.busiest = t.add(times, over) / over.Seconds()
	}
	t.at, t.last, t.now = at, times, counts
	return t.sums, counts, nil
}

// add adds what the threads did since the last reading, and returns the seconds that the busiest ran. A
// thread that was not there then began with zero; so did one whose counts are smaller, whose id is another's. One that has more time behind it
// than there was is not new: the kernel's list leaves threads out where one ends at which it stands. What it did since is unknown.
func (t *threads) add(times map[threadKey]threadTime, over time.Duration) (busiest float64) {
	for key, now := range times {
		before, there := t.last[key]
		if now.run < before.run || now.wait < before.wait {
			before = threadTime{}
		}
		if !there && now.run+now.wait > over+time.Second { // the reading takes its time
			before = now
		}
		ran := now.run - before.run
		t.sums.run += ran
		t.sums.wait += now.wait - before.wait
		busiest = max(busiest, ran.Seconds())
	}
	return busiest
}

// tasks reads the threads of one process.
func tasks(root string, pid int, into map[threadKey]threadTime, counts *threadCounts) error {
	dir := filepath.Join(root, "proc", strconv.Itoa(pid), "task")
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		tid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		if counts.all++; counts.all > maxThreads {
			return fmt.Errorf("more than %d threads", maxThreads)
		}
		text, err := readSmall(filepath.Join(dir, name.Name(), "schedstat"))
		if _, there := os.Stat(filepath.Join(dir, name.Name())); gone(err) && gone(there) {
			continue // it has ended; a kernel that counts nothing has no such file of one that runs
		}
		if err != nil {
			return err
		}
		one, err := parseSchedstat(text)
		if err != nil {
			return err
		}
		into[threadKey{pid, tid}] = one
		if stat, err := readSmall(filepath.Join(dir, name.Name(), "stat")); err == nil && stateOf(stat) == 'D' {
			counts.blocked++
		}
	}
	return nil
}

// parseSchedstat reads "run wait timeslices", in nanoseconds.
func parseSchedstat(text []byte) (threadTime, error) {
	f := strings.Fields(string(text))
	if len(f) != 3 {
		return threadTime{}, fmt.Errorf("schedstat: want 3 numbers, got %.60q", text)
	}
	run, err := strconv.ParseInt(f[0], 10, 64)
	wait, err2 := strconv.ParseInt(f[1], 10, 64)
	if err := errors.Join(err, err2); err != nil || run < 0 || wait < 0 {
		return threadTime{}, fmt.Errorf("schedstat: want times, got %.60q", text)
	}
	return threadTime{time.Duration(run), time.Duration(wait)}, nil
}

// stateOf is the letter behind the name, which is in parentheses and may hold anything.
func stateOf(stat []byte) byte {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 || i+2 >= len(stat) {
		return 0
	}
	return stat[i+2]
}

// family lists a process and its children, and theirs. A kernel that names no children leaves the process.
func family(root string, pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all) && len(all) < maxProcesses; i++ {
		lists, err := filepath.Glob(filepath.Join(root, "proc", strconv.Itoa(all[i]), "task", "*", "children"))
		if err != nil {
			break
		}
		for _, list := range lists {
			text, err := readSmall(list)
			if err != nil {
				continue
			}
			for f := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(f); err == nil && len(all) < maxProcesses {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// readSmall reads a file of /proc up to a bound.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 16<<10))
}
