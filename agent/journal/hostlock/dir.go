package hostlock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Dir is the directory that holds the locks of a host.
type Dir string

// name is the directory's name below the first parent that will do.
const name = "engramd"

// parents are where lock files may live, best first.
var parents = []string{"/run/lock", "/dev/shm", "/tmp"}

// Find returns the lock directory of this host. The rule depends on nothing but the host: not on who
// asks, and not on who asked before. So root and a user always find the same.
//
//   - /run/lock/engramd, if it is there already and everybody may write to it: a package or an
//     administrator made it (Fedora keeps /run/lock itself to root);
//   - else engramd below the first of /run/lock, /dev/shm and /tmp that everybody may write to.
func Find() (Dir, error) { return find(parents) }

func find(parents []string) (Dir, error) {
	if made := filepath.Join(parents[0], name); shared(made) {
		return Dir(made), nil
	}
	for _, parent := range parents {
		if shared(parent) {
			return Dir(filepath.Join(parent, name)), nil
		}
	}
	return "", fmt.Errorf("find a directory for host locks: none of %v is writable for everybody: make %s with mode 1777", parents, filepath.Join(parents[0], name))
}

// shared reports whether everybody may make files in dir, and nobody may remove those of others.
func shared(dir string) bool {
	st, err := os.Stat(dir)
	return err == nil && st.IsDir() && st.Mode().Perm()&0o002 != 0 && st.Mode()&os.ModeSticky != 0
}

// prepare makes the directory if it is missing, and opens it.
func (d Dir) prepare() (*os.Root, error) {
	err := os.Mkdir(string(d), 0o777)
	switch {
	case err == nil:
		// The umask took bits away that other users need.
		if err := os.Chmod(string(d), 0o777|os.ModeSticky); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	case os.Geteuid() == 0:
		// Somebody made it, perhaps only for himself, perhaps to keep others out.
		if err := d.claim(); err != nil {
			return nil, err
		}
	}
	return os.OpenRoot(string(d))
}

// claim makes the directory root's, so that no user can remove the files of others in it.
func (d Dir) claim() error {
	f, err := os.OpenFile(string(d), openDir, 0)
	if err != nil {
		return fmt.Errorf("%w: remove it if it is no directory", err)
	}
	defer f.Close()
	if err := f.Chown(0, 0); err != nil {
		return err
	}
	return f.Chmod(0o777 | os.ModeSticky)
}
