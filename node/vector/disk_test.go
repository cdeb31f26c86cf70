package vector_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
)

// A limited disk fails from the operation on whose turn it is.
type limited struct {
	disk.FS
	left int
	err  error
}

func (l *limited) turn() error {
	if l.left--; l.left < 0 {
		return l.err
	}
	return nil
}

func (l *limited) Create(name string) (disk.File, error) { return l.file(l.FS.Create(name)) }
func (l *limited) Open(name string) (disk.File, error)   { return l.file(l.FS.Open(name)) }

func (l *limited) file(f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return &limitedFile{f, l}, nil
}

func (l *limited) Rename(from, to string) error {
	if err := l.turn(); err != nil {
		return err
	}
	return l.FS.Rename(from, to)
}

type limitedFile struct {
	disk.File
	disk *limited
}

func (f *limitedFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.disk.turn(); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], at)
		return n, err
	}
	return f.File.WriteAt(b, at)
}

func (f *limitedFile) Sync() error {
	if err := f.disk.turn(); err != nil {
		return err
	}
	return f.File.Sync()
}

// TestAFullDisk fails each operation of a checkpoint in turn: an error that says so, everything still served, and all written when
// there is room.
func TestAFullDisk(t *testing.T) {
	for at := range 8 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			dir := t.TempDir()
			osDisk, err := disk.NewOS(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer osDisk.Close()
			full := &limited{FS: osDisk, left: 1 << 30, err: syscall.ENOSPC}
			rng := rand.New(rand.NewPCG(4, 4))
			w := newWorld(t, vector.Options{Dir: dir, FS: full})
			for round := range 3 {
				w.fill(rng, 100*(round+1), 16)
				w.put(record.Ord(40000*(round+1)), random(rng, 16))
				full.left = at
				if err := w.Checkpoint(w.lsn); err != nil && !disk.IsFull(err) {
					t.Fatal(err)
				} else if round == 0 && at < 7 && err == nil {
					t.Error("no error")
				}
				w.check()
				full.left = 1 << 30
			}
			w.checkpoint()
			w.again(nil)
			w.check()
		})
	}
}

// TestACutInTheMiddle makes files in which any subset of what a checkpoint wrote arrived. With what the log brings everything is right; without
// it every vector is the right one or told to be damaged.
func TestACutInTheMiddle(t *testing.T) {
	const dim, sector = 200, 512
	rng := rand.New(rand.NewPCG(5, 5))
	w := newWorld(t, vector.Options{})
	w.fill(rng, 100, dim)
	w.checkpoint()
	before, err := os.ReadFile(filepath.Join(w.opts.Dir, "vectors"))
	if err != nil {
		t.Fatal(err)
	}
	old, oldLSN := maps.Clone(w.want), w.lsn
	for range 80 {
		w.put(record.Ord(1+rng.IntN(150)), random(rng, dim))
	}
	w.checkpoint()
	after, err := os.ReadFile(filepath.Join(w.opts.Dir, "vectors"))
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		torn := slices.Clone(before)
		for at := 0; at < len(after); at += sector {
			if rng.IntN(2) == 0 {
				torn = append(torn, make([]byte, max(0, at+sector-len(torn)))...)
				copy(torn[at:at+sector], after[at:])
			}
		}
		cut := newWorld(t, vector.Options{})
		cut.want, cut.lsn = maps.Clone(old), oldLSN
		cut.again(func() {
			if err := os.WriteFile(filepath.Join(cut.opts.Dir, "vectors"), torn, 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if rng.IntN(2) == 0 {
			served(t, cut)
		}
		for _, ord := range w.ords() {
			if now := w.want[ord]; now.version != old[ord].version {
				cut.lsn = now.version - 1
				cut.put(ord, now.vector)
			}
		}
		cut.lsn = w.lsn
		cut.Apply([]record.Op{{Kind: record.Free, Ord: 1, LSN: w.lsn}})
		cut.check()
		cut.checkpoint()
		cut.again(nil)
		cut.check()
	}
}

// served fails if a vector is served that is not the right one.
func served(t *testing.T, w *world) {
	t.Helper()
	for ord, want := range w.want {
		got, err := w.get(ord)
		if err == nil && !slices.Equal(got, want.vector) || err != nil && !errors.Is(err, record.ErrCorrupt) {
			t.Fatalf("vector of %d: %v, %v; want %v or damage", ord, got, err, want.vector)
		}
	}
}
