package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// ErrUnsure: a file was replaced, and the sync of its name failed. A cut may leave the old one or the new one.
var ErrUnsure = errors.New("what the disk has is unknown")

// WriteWhole replaces the file name by one with the given bytes: after a cut there is the old one or the
// new one. After an error the old one is there, unless it is ErrUnsure.
func WriteWhole(fsys FS, name string, b []byte) error {
	temp := name + ".new"
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	if err := fsys.Rename(temp, name); err != nil {
		return err
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("%w: sync the name of %s: %w", ErrUnsure, name, err)
	}
	return nil
}

// ReadWhole returns the bytes of the file name.
func ReadWhole(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		return nil, err
	}
	return b, nil
}
