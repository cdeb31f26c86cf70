package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// diskUsage is what the data directory takes on the disk, in bytes that are really allocated, and what is left.
type diskUsage struct {
	base, vectors, wal, snapshots, other int64
	available                            int64
}

func (u diskUsage) sum() int64 { return u.base + u.vectors + u.wal + u.snapshots + u.other }

// A surveyor looks at all files of the data directory, not more often than every few seconds: with many spaces there are many.
type surveyor struct {
	dir   string
	every time.Duration

	mu    sync.Mutex
	last  diskUsage
	err   error
	taken time.Time
}

func (s *surveyor) usage(now time.Time) (diskUsage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken.IsZero() || now.Sub(s.taken) >= s.every || now.Before(s.taken) {
		s.last, s.err = survey(s.dir)
		s.taken = now
	}
	return s.last, s.err
}

type inode struct{ dev, ino uint64 }

// survey counts a file that several names lead to once, as a snapshot only if it is nothing else. A file that goes away
// meanwhile takes nothing.
func survey(dir string) (diskUsage, error) {
	var u diskUsage
	seen := map[inode]*int64{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s: its size on the disk is not known", path)
		}
		bytes := st.Blocks * 512 // whatever the block size is: stat(2)
		id, part := inode{st.Dev, st.Ino}, u.part(dir, path)
		switch before := seen[id]; before {
		case nil:
		case &u.snapshots:
			*before -= bytes
		default:
			return nil
		}
		seen[id] = part
		*part += bytes
		return nil
	})
	if err != nil {
		return u, fmt.Errorf("size of the data directory: %w", err)
	}
	var f unix.Statfs_t
	if err := unix.Statfs(dir, &f); err != nil {
		return u, fmt.Errorf("room of the data directory: %w", err)
	}
	u.available = int64(f.Bavail) * f.Bsize
	return u, nil
}

// part tells what a file belongs to: node/doc.go has the list.
func (u *diskUsage) part(dir, path string) *int64 {
	rel := strings.TrimPrefix(strings.TrimPrefix(path, dir), string(os.PathSeparator))
	parts := strings.Split(rel, string(os.PathSeparator))
	switch {
	case parts[0] == "wal":
		return &u.wal
	case parts[0] == "snapshots":
		return &u.snapshots
	case parts[0] == "spaces" && len(parts) > 2 && strings.HasPrefix(parts[2], "vectors"):
		return &u.vectors
	case parts[0] == "spaces":
		return &u.base
	}
	return &u.other
}
