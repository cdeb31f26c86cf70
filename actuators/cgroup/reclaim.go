package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Reclaim asks the kernel to take n bytes back from the group, page cache first. It is best effort:
// less than n may be taken, and that is no error. It wraps [errors.ErrUnsupported] where the kernel
// cannot be asked (v1, before Linux 5.19, a read-only mount, no permission).
func (g Group) Reclaim(n int64) error {
	d, ok := g.in("memory")
	if !ok || !d.v2 {
		return fmt.Errorf("reclaim memory of cgroup %s: %w", g.Path, errors.ErrUnsupported)
	}
	name := filepath.Join(d.path, "memory.reclaim")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return fmt.Errorf("reclaim memory of cgroup %s: %w: %w", g.Path, errors.ErrUnsupported, err)
	case err != nil:
		return fmt.Errorf("reclaim memory: %w", err)
	}
	defer f.Close()
	_, err = f.WriteString(strconv.FormatInt(n, 10))
	if err != nil && !errors.Is(err, syscall.EAGAIN) { // EAGAIN: took what it could
		return fmt.Errorf("reclaim memory: %w", err)
	}
	return nil
}
