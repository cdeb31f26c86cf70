package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/threads"
)

// A Task is a thread of a process, as the kernel tells.
type Task struct {
	ID      int
	Allowed string        // Cpus_allowed_list: where it may run
	Last    int           // the core on which it ran last
	CPU     time.Duration // what it has used, in hundredths of a second
}

// Tasks are the threads of a process. One that ends meanwhile is left out.
func Tasks(t testing.TB, pid int) []Task {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/task", pid)
	ids, err := threads.IDs(dir)
	if err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	var all []Task
	for _, id := range ids {
		one, err := task(filepath.Join(dir, strconv.Itoa(id)))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatalf("testenv/node: %v", err)
		}
		all = append(all, one)
	}
	return all
}

func task(dir string) (one Task, err error) {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return one, err
	}
	for line := range strings.Lines(string(status)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			one.Allowed = strings.TrimSpace(list)
		}
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return one, err
	}
	id, rest, _ := strings.Cut(string(stat), " ")
	_, rest, _ = strings.Cut(rest[strings.LastIndexByte(rest, ')')+1:], " ")
	fields := strings.Fields(rest) // from the third on
	const user, system, core = 14 - 3, 15 - 3, 39 - 3
	var ticks int
	for _, read := range []struct {
		text string
		to   *int
	}{{id, &one.ID}, {fields[user], &ticks}, {fields[core], &one.Last}} {
		if *read.to, err = strconv.Atoi(read.text); err != nil {
			return one, fmt.Errorf("%s/stat: %w", dir, err)
		}
	}
	more, err := strconv.Atoi(fields[system])
	one.CPU = time.Duration(ticks+more) * time.Second / 100
	return one, err
}
