package threads

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Allowed returns the cores that the calling thread may use: those of the process, before anything was bound.
func Allowed() (CPUs, error) {
	mask := unix.NewCPUSet(maxMember)
	if err := unix.SchedGetaffinityDynamic(0, mask); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus CPUs
	for cpu := range maxMember {
		if mask.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// An affinity binds a thread to cores; thread 0 is the calling one.
type affinity func(tid int, cpus CPUs) error

// setAffinity asks the kernel.
func setAffinity(tid int, cpus CPUs) error {
	mask, err := cpus.mask()
	if err != nil {
		return err
	}
	switch err := unix.SchedSetaffinityDynamic(tid, mask); {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("bind to cores %v: sched_setaffinity is refused here (%w): allow it, or set pin_threads: false", cpus, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("bind to cores %v: this process may use none of them (%w)", cpus, err)
	default:
		return fmt.Errorf("bind to cores %v: %w", cpus, err)
	}
}

// Tasks returns the cores that each thread of the process is allowed, by thread id, as /proc tells. Root is where proc is.
func Tasks(root string) (map[int]CPUs, error) {
	dir := filepath.Join(root, "proc/self/task")
	tids, err := IDs(dir)
	if err != nil {
		return nil, err
	}
	out := make(map[int]CPUs, len(tids))
	for _, tid := range tids {
		text, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(tid), "status"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				if out[tid], err = ParseCPUs(list); err != nil {
					return nil, fmt.Errorf("thread %d: %w", tid, err)
				}
			}
		}
	}
	return out, nil
}

// maxLists is how often the threads are listed before a list is taken that may lack some.
const maxLists = 100

// IDs lists the threads of a process in dir, its task directory below /proc. The kernel ends its list early where the thread ends at which it
// stands, so they are listed until nobody has ended between two lists.
func IDs(dir string) (tids []int, err error) {
	for range maxLists {
		before := tids
		if tids, err = listTasks(dir); err != nil || len(before) > 0 && slices.Equal(before, tids) {
			return tids, err
		}
	}
	return tids, nil
}

func listTasks(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var tids []int
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids, nil
}

// gone says that a thread has ended.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// maskOthers binds all threads of the process but those in except. A thread may start another while this looks, with the mask of
// before, so it looks again until there is nobody new.
func maskOthers(set affinity, cpus CPUs, except map[int]bool) error {
	done := map[int]bool{}
	for fresh := true; fresh; {
		fresh = false
		tids, err := IDs("/proc/self/task")
		if err != nil {
			return fmt.Errorf("threads of this process: %w", err)
		}
		for _, tid := range tids {
			if done[tid] || except[tid] {
				continue
			}
			if err := set(tid, cpus); err != nil && !gone(err) {
				return err
			}
			done[tid], fresh = true, true
		}
	}
	return nil
}
