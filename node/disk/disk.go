package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// An FS is a directory tree with durable names. Paths are relative, with forward slashes.
type FS interface {
	// Create makes a file that must not exist yet, for reading and writing.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// List returns the names in a directory, ascending; none if the directory does not exist.
	List(dir string) ([]string, error)
	// MakeDir makes a directory and its parents, and syncs their names.
	MakeDir(dir string) error
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
}

// A File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes what was written durable (fdatasync).
	Sync() error
	Size() (int64, error)
}

// IsFull tells whether err means that there is no room: on the disk, within a quota, or in the file.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// OS is the real file system below one directory.
type OS struct{ root *os.Root }

// NewOS makes dir if need be, and returns the file system below it. No path leads out of it.
func NewOS(dir string) (*OS, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &OS{root: root}, nil
}

// Close lets go of the directory. Open files stay open.
func (o *OS) Close() error { return o.root.Close() }

// Path returns the path of name for libraries that open files themselves.
func (o *OS) Path(name string) string { return path.Join(o.root.Name(), name) }

type osFile struct{ *os.File }

func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Create implements FS.
func (o *OS) Create(name string) (File, error) {
	f, err := o.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Open implements FS.
func (o *OS) Open(name string) (File, error) {
	f, err := o.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename implements FS.
func (o *OS) Rename(from, to string) error { return o.root.Rename(from, to) }

// Remove implements FS.
func (o *OS) Remove(name string) error { return o.root.Remove(name) }

// List implements FS.
func (o *OS) List(dir string) ([]string, error) {
	entries, err := fs.ReadDir(o.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, err
}

// MakeDir implements FS.
func (o *OS) MakeDir(dir string) error {
	if err := o.root.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for d := dir; d != "."; d = path.Dir(d) {
		if err := o.SyncDir(path.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir implements FS.
func (o *OS) SyncDir(dir string) error { return o.with(dir, (*os.File).Sync) }

func (o *OS) with(name string, do func(*os.File) error) error {
	f, err := o.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

// SyncTree makes durable what is in dir, files and names, if there is such a directory. What a process that was killed had written and not
// synced can be read by the next one, which would build upon it, and a cut could take it back.
func (o *OS) SyncTree(dir string) error { return o.walk(dir, (*os.File).Sync) }

// walk does something with dir, if there is one, and the files and directories in it, but those that this process may not open: they are not ours.
func (o *OS) walk(dir string, do func(*os.File) error) error {
	return fs.WalkDir(o.root.FS(), dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && (e.IsDir() || e.Type().IsRegular()) {
			err = o.with(name, do)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, fs.ErrPermission) && e != nil && e.IsDir():
			return fs.SkipDir
		case errors.Is(err, fs.ErrPermission):
			return nil
		}
		return err
	})
}
