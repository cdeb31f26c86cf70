package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/engramd/engramd/node/disk"
	"golang.org/x/sys/unix"
)

// lock claims the data directory for this process. The claim ends with the file's Close, or with the process.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		b := make([]byte, 64)
		n, _ := f.ReadAt(b, 0)
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by process %s: stop it, or choose another directory: %w",
			dir, strings.TrimSpace(string(b[:n])), err), f.Close())
	}
	pid := fmt.Appendf(nil, "%-19d\n", os.Getpid()) // always as long: it needs room once
	if _, err := f.WriteAt(pid, 0); err != nil && !disk.IsFull(err) {
		return nil, errors.Join(fmt.Errorf("write the lock of %s: %w", dir, err), f.Close())
	}
	return f, nil
}
