package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTwoWriters says that another workload holds the same data directory: two containers on one volume.
var ErrTwoWriters = errors.New("another workload holds this data directory")

// A Start is one line of DATA/starts.jsonl: which process ran on a data directory, and with what limits.
type Start struct {
	At       time.Time `json:"at"`
	Hostname string    `json:"hostname"` // in a container: the first digits of its id
	Cores    float64   `json:"cores"`
	Memory   int64     `json:"memory_bytes"`
}

// claim takes the data directory for this process and records the start. A second process that tries while the first is
// alive leaves a line in DATA/violations.jsonl and gets ErrTwoWriters, so that a test can prove that there never were two.
//
// The lock goes with the process, however it ends. starts counts the starts up to this one.
func claim(dir string, s Start) (lock *os.File, starts int, err error) {
	lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("claim the data directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			_, violation := appendLine(filepath.Join(dir, "violations.jsonl"), s)
			return nil, 0, errors.Join(ErrTwoWriters, violation)
		}
		return nil, 0, fmt.Errorf("claim the data directory: %w", err)
	}
	starts, err = appendLine(filepath.Join(dir, "starts.jsonl"), s)
	if err != nil {
		lock.Close()
		return nil, 0, err
	}
	return lock, starts, nil
}

// appendLine adds a JSON line, synced, and returns how many lines there are now.
func appendLine(name string, s Start) (lines int, err error) {
	before, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("record the start: %w", err)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("record the start: %w", err)
	}
	defer f.Close()
	if err := json.NewEncoder(f).Encode(s); err != nil {
		return 0, fmt.Errorf("record the start: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("record the start: %w", err)
	}
	return strings.Count(string(before), "\n") + 1, nil
}
