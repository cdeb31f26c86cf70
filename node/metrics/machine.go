package metrics

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/engramd/engramd/node/cgroup"
	"github.com/engramd/engramd/node/threads"
	"golang.org/x/sys/unix"
)

// A machine looks at this process and what it runs on.
type machine struct {
	root string // where proc and sys are
	dir  string // the data directory
	used func() (time.Duration, error)
}

// A look is what a machine shows at one moment. What is nil could not be read; faults tells why.
type look struct {
	cpu    *time.Duration // of this process since its start
	cores  map[int]busy
	ops    *uint64 // what the device of the data directory has done since it is there
	faults map[string]error
}

// busy is the time of one core since the machine's start, in ticks.
type busy struct{ worked, all uint64 }

func (m machine) look() look {
	l := look{faults: map[string]error{}}
	if cpu, err := m.used(); err != nil {
		l.faults["cpu"] = err
	} else {
		l.cpu = &cpu
	}
	var err error
	if l.cores, err = m.cores(); err != nil {
		l.faults["host_cpu"] = err
	}
	if n, err := m.deviceOps(); err != nil {
		l.faults["disk_iops"] = err
	} else {
		l.ops = &n
	}
	return l
}

// processTime is the CPU time of this process.
func processTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// cpuLimit is how many cores this process can use: those that any of its threads is allowed, and not more than the quotas of its
// control groups.
func (m machine) cpuLimit() (float64, error) {
	tasks, err := threads.Tasks(m.root)
	if err != nil {
		return 0, fmt.Errorf("cores of the threads: %w", err)
	}
	cores := map[int]bool{}
	for _, cpus := range tasks {
		for _, cpu := range cpus {
			cores[cpu] = true
		}
	}
	if len(cores) == 0 {
		return 0, errors.New("cores of the threads: /proc/self/task tells of none")
	}
	limit := float64(len(cores))
	quota, err := cgroup.CPULimit(m.root)
	if err != nil {
		return 0, err
	}
	if quota > 0 {
		limit = min(limit, quota)
	}
	return limit, nil
}

// cores reads /proc/stat.
func (m machine) cores() (map[int]busy, error) {
	name := filepath.Join(m.root, "proc/stat")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	out := map[int]busy{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		number, ok := strings.CutPrefix(f[0], "cpu")
		core, err := strconv.Atoi(number)
		if !ok || err != nil {
			continue
		}
		if out[core], err = parseBusy(f[1:]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, f[0], err)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: has no cores", name)
	}
	return out, nil
}

// parseBusy reads user nice system idle iowait irq softirq steal. Guest time is in user time already; what was stolen was not
// there to be used.
func parseBusy(fields []string) (busy, error) {
	const idle, iowait, steal = 3, 4, 7
	var b busy
	if len(fields) <= iowait {
		return b, fmt.Errorf("want at least %d numbers, got %d", iowait+1, len(fields))
	}
	for i, field := range fields[:min(len(fields), steal)] {
		n, err := strconv.ParseUint(field, 10, 62)
		if err != nil {
			return b, fmt.Errorf("%.40q is not a time", field)
		}
		b.all += n
		if i != idle && i != iowait {
			b.worked += n
		}
	}
	return b, nil
}

// deviceOps is how many reads, writes and flushes the block device of the data directory has done.
func (m machine) deviceOps() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(m.dir, &st); err != nil {
		return 0, fmt.Errorf("device of %s: %w", m.dir, err)
	}
	number := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	name := filepath.Join(m.root, "sys/dev/block", number, "stat")
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%s is on a file system of no single block device (%s): its operations are not counted", m.dir, number)
	}
	if err != nil {
		return 0, err
	}
	return parseDiskStat(name, string(text))
}

// parseDiskStat reads Documentation/block/stat.rst: reads are the 1st number, writes the 5th, flushes the 16th (since Linux 5.5).
func parseDiskStat(name, text string) (uint64, error) {
	fields := strings.Fields(text)
	if len(fields) < 11 {
		return 0, fmt.Errorf("%s: want at least 11 numbers, got %d", name, len(fields))
	}
	var sum uint64
	for _, i := range []int{0, 4, 15} {
		if i >= len(fields) {
			continue
		}
		n, err := strconv.ParseUint(fields[i], 10, 62)
		if err != nil {
			return 0, fmt.Errorf("%s: %.40q is not a count", name, fields[i])
		}
		sum += n
	}
	return sum, nil
}
