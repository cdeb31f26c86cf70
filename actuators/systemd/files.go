package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxFile bounds the files that are read.
const maxFile = 256 << 10

// files are the unit files of the host. Root is "/", and fault nil, but for tests.
type files struct {
	root  string
	fault func(op, name string) error
}

// try is where tests let a change of a file fail.
func (f files) try(op, name string) error {
	if f.fault == nil {
		return nil
	}
	return f.fault(op, name)
}

func (f files) at(name string) string { return filepath.Join(f.root, name) }

// read returns a file's text, nil if there is none.
func (f files) read(name string) (*string, error) {
	file, err := os.Open(f.at(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a unit file: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() { // a mask is a link to /dev/null
		return new(""), err
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(file, maxFile+1))
	if err == nil && n > maxFile {
		err = errors.New("it is too large for a unit file")
	}
	if err != nil {
		return nil, fmt.Errorf("read unit file %s: %w", name, err)
	}
	return new(b.String()), nil
}

// write replaces a file at once and for good, and makes its directory.
func (f files) write(name, text string) error {
	dir := filepath.Dir(f.at(name))
	err := f.try("write", name)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = replace(dir, f.at(name), text)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w (engramd has to be able to write there)", name, err)
	}
	return nil
}

func replace(dir, name, text string) error {
	temp, err := os.CreateTemp(dir, ".engramd-*")
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closing := temp.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		os.Remove(temp.Name())
		return err
	}
	return syncDir(dir)
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}

// remove removes a file; none is no fault.
func (f files) remove(name string) error {
	err := f.try("remove", name)
	if err == nil {
		err = os.Remove(f.at(name))
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(f.at(name)))
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w (engramd has to be able to write there)", name, err)
	}
	return nil
}

// list returns the names in a directory, ascending; one that is not there has none.
func (f files) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(f.at(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list drop-ins: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (f files) exists(name string) bool {
	_, err := os.Lstat(f.at(name))
	return err == nil
}

// removeEmpty removes a directory if nothing is in it.
func (f files) removeEmpty(dir string) { os.Remove(f.at(dir)) }

// writable says why files cannot be made and removed in dir, "" if they can. A directory that is not
// there is judged by the nearest above it.
func (f files) writable(dir string) string {
	for name := f.at(dir); ; name = filepath.Dir(name) {
		err := syscall.Access(name, 2)
		if errors.Is(err, fs.ErrNotExist) && name != filepath.Dir(name) {
			continue
		}
		if err != nil {
			return fmt.Sprintf("%s: %v", dir, err)
		}
		return ""
	}
}
