package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// prefix begins the names of the directories that demos make among the temporary files.
	prefix = "engramd-demo-"
	// claimName is a file that is there, and locked, as long as a demo runs. Where it is there and nobody holds it,
	// a demo was killed: one that came to its end has removed it.
	claimName = "running"
)

// claim locks a file in dir before it gets its name, so that nobody finds it without its owner.
func claim(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, claimName+".")
	if err != nil {
		return nil, fmt.Errorf("claim the demo's directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, claimName))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim the demo's directory %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// clearKilled removes from temp what demos of this user left there that were killed. What cannot be removed is
// none of this demo's business.
func clearKilled(temp string) {
	entries, _ := os.ReadDir(temp) // making a directory there will say what is wrong
	for _, e := range entries {
		if dir := filepath.Join(temp, e.Name()); e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			_ = clearIfKilled(dir)
		}
	}
}

func clearIfKilled(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return errors.New("it is somebody else's")
	}
	f, err := os.OpenFile(filepath.Join(dir, claimName), os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
