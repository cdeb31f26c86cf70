package snapshot_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/node/store"
)

// A filling disk has no room from the operation on whose turn it is.
type filling struct {
	disk.FS
	left int
}

func (l *filling) turn() error {
	if l.left--; l.left < 0 {
		return &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return nil
}

func (l *filling) Create(name string) (disk.File, error) {
	if err := l.turn(); err != nil {
		return nil, err
	}
	f, err := l.FS.Create(name)
	return fillingFile{f, l}, err
}

func (l *filling) MakeDir(name string) error { return errors.Join(l.turn(), l.FS.MakeDir(name)) }

func (l *filling) Rename(from, to string) error {
	if err := l.turn(); err != nil {
		return err
	}
	return l.FS.Rename(from, to)
}

type fillingFile struct {
	disk.File
	disk *filling
}

func (f fillingFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.disk.turn(); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], at)
		return n, err
	}
	return f.File.WriteAt(b, at)
}

func (f fillingFile) Sync() error {
	if err := f.disk.turn(); err != nil {
		return err
	}
	return f.File.Sync()
}

// TestAFullDisk fails each operation in turn: the error says so, nothing is left behind, and the space serves on.
func TestAFullDisk(t *testing.T) {
	w := newWorld(t)
	w.fill(3000)
	fsys, err := disk.NewOS(w.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	full := &filling{FS: fsys}
	w.opts.FS = full
	w.open()
	fails := 0
	for at := 0; ; at++ {
		full.left = at
		i, err := w.shelf.Take(t.Context(), w.space)
		if err == nil {
			if i.Memories != 3000 {
				t.Errorf("%+v", i)
			}
			break
		}
		fails++
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("at operation %d: %v; want ErrFull", at, err)
		}
		if got := w.entries(); len(got) > 0 {
			t.Fatalf("at operation %d: left %v", at, got)
		}
	}
	if fails < 10 {
		t.Errorf("only %d operations can fail: this tested nothing", fails)
	}
	w.fill(1)
}

// TestTooLittleRoom is refused beforehand.
func TestTooLittleRoom(t *testing.T) {
	w := newWorld(t)
	w.fill(100)
	i := w.take()
	for _, free := range []int64{0, 64 << 20} {
		t.Run(fmt.Sprint(free), func(t *testing.T) {
			w.opts.Free = func(string) (int64, error) { return free, nil }
			w.open()
			_, err := w.shelf.Take(t.Context(), w.space)
			if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "make room") {
				t.Errorf("take: %v", err)
			}
			if err := w.shelf.Fill(t.Context(), i.Name, t.TempDir()); !errors.Is(err, store.ErrFull) {
				t.Errorf("fill: %v", err)
			}
			if got := w.entries(); len(got) != 1 {
				t.Errorf("left: %v", got)
			}
		})
	}
	w.opts.Free = func(string) (int64, error) { return 0, errors.New("cannot tell") }
	w.open()
	if _, err := w.shelf.Take(t.Context(), w.space); err == nil || errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("where nobody knows: %v", err)
	}
}

// TestDropDuringTake drops the space while it is copied: the drop does not wait for the copy, and nothing is left of it.
func TestDropDuringTake(t *testing.T) {
	w := newWorld(t)
	w.fill(3000)
	fsys, err := disk.NewOS(w.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	dropped, gone := make(chan error, 1), make(chan struct{})
	w.opts.FS = &slow{FS: fsys, begin: func() {
		go func() { dropped <- w.store.Drop(t.Context(), "default") }()
		for !errors.Is(w.space.Err(), store.ErrNoSpace) {
			runtime.Gosched()
		}
		close(gone)
	}}
	w.open()
	_, err = w.shelf.Take(t.Context(), w.space)
	if !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("take: %v; want ErrNoSpace", err)
	}
	<-gone
	if err := <-dropped; err != nil {
		t.Error(err)
	}
	if got := w.entries(); len(got) > 0 {
		t.Errorf("left %v", got)
	}
}

// A slow disk lets something happen at the first write of a base.
type slow struct {
	disk.FS
	begin func()
}

func (s *slow) Create(name string) (disk.File, error) {
	f, err := s.FS.Create(name)
	return &slowFile{File: f, begin: s.begin}, err
}

type slowFile struct {
	disk.File
	begin func()
	once  sync.Once
}

func (f *slowFile) WriteAt(b []byte, at int64) (int, error) {
	f.once.Do(f.begin)
	return f.File.WriteAt(b, at)
}
