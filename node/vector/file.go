package vector

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"golang.org/x/sys/unix"
)

const (
	fileName  = "vectors"
	asideName = "vectors.damaged"
	chunk     = 4 << 20 // the file grows by whole ones, and by an eighth of itself at least
)

// A file is an open vector file: written with WriteAt, read through a map.
type file struct {
	layout
	path string
	f    disk.File
	size int64

	mu   sync.RWMutex // held for reading while the map is touched
	data []byte       // nil once closed
}

// openFile opens the file in fsys, whose directory is dir; nil if there is none. One whose header is damaged is set aside: the
// error wraps record.ErrCorrupt.
func openFile(fsys disk.FS, dir string) (*file, error) {
	f, err := fsys.Open(fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := &file{path: dir + "/" + fileName, f: f}
	if err := v.open(); err != nil {
		err = errors.Join(err, f.Close())
		if errors.Is(err, record.ErrCorrupt) {
			if aside := fsys.Rename(fileName, asideName); aside != nil {
				return nil, fmt.Errorf("set %s aside: %w", v.path, aside)
			}
			err = fmt.Errorf("%w; it is set aside as %s", err, asideName)
		}
		return nil, err
	}
	return v, nil
}

func (f *file) open() error {
	head := make([]byte, dataStart)
	n, err := f.f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	if f.layout, err = readHeader(head[:n]); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	size, err := f.f.Size()
	if err != nil {
		return err
	}
	return f.remap(size)
}

// createFile makes the file, whole or not at all.
func createFile(fsys disk.FS, dir string, dim int) (*file, error) {
	if err := disk.WriteWhole(fsys, fileName, layoutOf(dim).header()); err != nil {
		return nil, fmt.Errorf("make the vector file: %w", err)
	}
	return openFile(fsys, dir)
}

// remap maps size bytes in place of what is mapped.
func (f *file) remap(size int64) error {
	g, err := os.Open(f.path)
	if err != nil {
		return err
	}
	data, err := unix.Mmap(int(g.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err := errors.Join(err, g.Close()); err != nil {
		return fmt.Errorf("map %s: %w", f.path, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.data
	f.data, f.size = data, size
	if old != nil {
		return unix.Munmap(old)
	}
	return nil
}

// reach grows the file until it has a slot for ord.
func (f *file) reach(ord record.Ord) error {
	need := f.offset(ord + 1)
	if need <= f.size {
		return nil
	}
	need = max(need, f.size+f.size/8)
	size := (need + chunk - 1) / chunk * chunk
	if _, err := f.f.WriteAt([]byte{0}, size-1); err != nil {
		return fmt.Errorf("grow %s: %w", f.path, err)
	}
	return f.remap(size)
}

// read calls fn with the bytes of the file. A fault of the map ends fn and is an error that wraps
// record.ErrCorrupt.
func (f *file) read(fn func(data []byte)) (err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.data == nil {
		return os.ErrClosed
	}
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		p := recover()
		if p == nil {
			return
		}
		if fault, ok := p.(interface{ Addr() uintptr }); !ok {
			panic(p)
		} else {
			err = fmt.Errorf("%w: %s cannot be read at %#x", record.ErrCorrupt, f.path, fault.Addr())
		}
	}()
	fn(f.data)
	return nil
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data == nil {
		return nil
	}
	err := errors.Join(unix.Munmap(f.data), f.f.Close())
	f.data = nil
	return err
}
