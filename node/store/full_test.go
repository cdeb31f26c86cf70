package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

// A disease is how commits of the base end, from one moment to another.
type disease struct {
	err   atomic.Pointer[error]
	calls atomic.Int64
}

func (d *disease) set(err error) { d.err.Store(&err) }
func (d *disease) heal()         { d.err.Store(nil) }

func (d *disease) commit() error {
	p := d.err.Load()
	if p == nil {
		return nil
	}
	d.calls.Add(1)
	return *p
}

// What bbolt says of a full disk, in the two places where it meets one.
var fullDisk = map[string]error{
	"write":  &fs.PathError{Op: "write", Path: "base.db", Err: syscall.ENOSPC},
	"quota":  &fs.PathError{Op: "write", Path: "base.db", Err: syscall.EDQUOT},
	"limit":  &fs.PathError{Op: "write", Path: "base.db", Err: syscall.EFBIG},
	"resize": fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "base.db", Err: syscall.ENOSPC}),
}

// TestABaseOnAFullDisk: writes go on until the memtable is at its bound, then they are refused as ErrFull, reads go on, and when there is room
// so do writes. Nothing answered is lost.
func TestABaseOnAFullDisk(t *testing.T) {
	for name, full := range fullDisk {
		t.Run(name, func(t *testing.T) {
			const bound = 256 << 10
			dir := t.TempDir()
			var d disease
			l := live(t, dir, func(o *store.Options) {
				o.MemtableBytes = bound
				o.WAL.SegmentBytes = 1 << 20
				o.AtCommit(d.commit)
			})
			s := l.space("default")
			d.set(full)
			model := map[string]string{}
			text := strings.Repeat("x", 1000)
			var err error
			for i := 0; err == nil; i++ {
				id := fmt.Sprint("m", i)
				if _, err = s.Apply(t.Context(), []store.Change{put(id, text)}); err == nil {
					model[id] = text
				}
				if i > 10000 {
					t.Fatal("the memtable has no bound")
				}
			}
			if !errors.Is(err, store.ErrFull) {
				t.Fatalf("at the bound: %v; want ErrFull", err)
			}
			if n := l.Stats().MemtableBytes; n > bound+4096 {
				t.Errorf("the memtables hold %d bytes; want %d at most", n, bound)
			}
			compare(t, s, model)
			if err := l.Checkpoint(t.Context()); !errors.Is(err, store.ErrFull) {
				t.Errorf("checkpoint: %v; want ErrFull", err)
			}
			if err := s.SetMeta("x", nil); !errors.Is(err, store.ErrFull) {
				t.Errorf("meta: %v; want ErrFull", err)
			}
			d.heal()
			deadline := time.Now().Add(20 * time.Second)
			for {
				_, err := s.Apply(t.Context(), []store.Change{put("after", "x")})
				if err == nil {
					break
				}
				if !errors.Is(err, store.ErrFull) || time.Now().After(deadline) {
					t.Fatalf("with room again: %v", err)
				}
			}
			model["after"] = "x"
			l.end()
			compare(t, live(t, dir, nil).space("default"), model)
		})
	}
}

// TestAFailedSyncOfABaseIsNeverRetried: what the disk has is unknown, so that everything that writes refuses until a restart; reads go on.
func TestAFailedSyncOfABaseIsNeverRetried(t *testing.T) {
	for name, failure := range map[string]error{
		"EIO":             syscall.EIO,
		"ENOSPC of fsync": syscall.ENOSPC,
		"resize":          errors.New("file sync error: sync base.db: no space left on device"),
	} {
		for _, by := range []string{"checkpoint", "meta", "recode"} {
			t.Run(name+" "+by, func(t *testing.T) {
				dir := t.TempDir()
				var d disease
				l := live(t, dir, func(o *store.Options) { o.AtCommit(d.commit) })
				s := l.space("default")
				do(t, s, put("a", "in the base"))
				checkpoint(t, l)
				do(t, s, put("b", "in the memtable"))
				d.set(failure)
				writes := map[string]func() error{
					"checkpoint": func() error { return l.Checkpoint(t.Context()) },
					"meta":       func() error { return s.SetMeta("x", []byte("y")) },
					"recode": func() error {
						ord, _, _ := s.Lookup("a")
						return s.Recode(t.Context(), []record.Ord{ord}, func(_ record.Ord, v record.Value) (record.Value, error) {
							return append(record.Value(nil), v...), nil
						}, func([]store.Recoded) {})
					},
				}
				if err := writes[by](); !errors.Is(err, store.ErrReadOnly) {
					t.Fatalf("%v; want ErrReadOnly", err)
				}
				d.heal()
				for name, write := range writes {
					if err := write(); !errors.Is(err, store.ErrReadOnly) {
						t.Errorf("%s afterwards: %v; want ErrReadOnly", name, err)
					}
				}
				if _, err := s.Apply(t.Context(), []store.Change{put("c", "x")}); !errors.Is(err, store.ErrReadOnly) {
					t.Errorf("a write afterwards: %v; want ErrReadOnly", err)
				}
				if n := d.calls.Load(); n != 1 {
					t.Errorf("%d commits failed; want one", n)
				}
				model := map[string]string{"a": "in the base", "b": "in the memtable"}
				compare(t, s, model)
				l.end()
				compare(t, live(t, dir, nil).space("default"), model)
			})
		}
	}
}

// TestACatalogOfUnknownState: a catalog whose name was not synced may be there after a cut, or the one before it. Nothing is built upon either, and
// nothing goes that one of them names.
func TestACatalogOfUnknownState(t *testing.T) {
	create := func(l *life, _ []byte) error { _, err := l.Create("new", 0); return err }
	for name, replace := range map[string]func(*life, []byte) error{
		"create":    create,
		"create id": create,
		"drop":      func(l *life, _ []byte) error { return l.Drop(t.Context(), "other") },
		"alias":     func(l *life, _ []byte) error { return l.Alias("second", "other") },
		"dimension": func(l *life, _ []byte) error { return l.space("other").FixDimension(7) },
		"adopt": func(l *life, base []byte) error {
			_, err := l.Adopt(t.Context(), "other", 0, func(dir string) error { return os.WriteFile(filepath.Join(dir, "base.db"), base, 0o600) })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var s *store.Space
			model := map[string]string{}
			let := map[string]int{"create": 1, "adopt": 1}[name] // their first write gives out an id
			ill := false
			l := live(t, dir, func(o *store.Options) {
				o.AtCatalog(func() error {
					if !ill {
						return nil
					}
					if let--; let >= 0 {
						return nil
					}
					ill = false
					for i := range 300 { // some segments of the log
						id := fmt.Sprint("m", i)
						do(t, s, put(id, strings.Repeat(id, 200)))
						model[id] = strings.Repeat(id, 200)
					}
					return fmt.Errorf("%w: %w", store.ErrReadOnly, syscall.EIO)
				})
			})
			other := l.space("other")
			s = l.space("default")
			do(t, other, put("a", "1"))
			checkpoint(t, l)
			var base bytes.Buffer
			if _, err := other.CopyBase(&base, nil); err != nil {
				t.Fatal(err)
			}
			ill = true
			if err := replace(l, base.Bytes()); !errors.Is(err, store.ErrReadOnly) {
				t.Fatalf("%v; want ErrReadOnly", err)
			}
			if ill {
				t.Fatal("no catalog was written")
			}
			if _, err := s.Apply(t.Context(), []store.Change{put("late", "x")}); !errors.Is(err, store.ErrReadOnly) {
				t.Errorf("a write afterwards: %v; want ErrReadOnly", err)
			}
			if err := l.Checkpoint(t.Context()); !errors.Is(err, store.ErrReadOnly) {
				t.Errorf("a checkpoint, which would let go of the log: %v; want ErrReadOnly", err)
			}
			after := live(t, crashed(t, dir), nil)
			for _, s := range after.Spaces() {
				if s.Err != nil {
					t.Errorf("space %s: %v", s.Name, s.Err)
				}
			}
			compare(t, after.space("default"), model)
			if s, err := after.Space("other"); err == nil {
				compare(t, s, map[string]string{"a": "1"})
			} else if name != "drop" {
				t.Error(err)
			}
		})
	}
}

// TestAStartThatCannotBeSynced ends, and touches nothing.
func TestAStartThatCannotBeSynced(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	do(t, l.space("default"), put("a", "1"))
	killed := crashed(t, dir)
	before := read(t, killed)
	note := filepath.Join(killed, "sync-failed")
	if err := os.MkdirAll(filepath.Join(note, "in the way"), 0o750); err != nil { // the note of a failed sync that cannot be taken away
		t.Fatal(err)
	}
	fsys, err := disk.NewOS(killed)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	if st, err := store.Open(store.Options{FS: fsys, MapBytes: 1 << 24}); err == nil || !strings.Contains(err.Error(), "read again what a failed sync left") {
		t.Errorf("%v, %v", st, err)
	}
	if err := os.RemoveAll(note); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, read(t, killed)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	compare(t, live(t, killed, nil).space("default"), map[string]string{"a": "1"})
}

// read returns all files below dir.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			var b []byte
			b, err = os.ReadFile(path)
			files[path] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRecodeOnAFullDisk leaves everything as it was.
func TestRecodeOnAFullDisk(t *testing.T) {
	var d disease
	l := live(t, t.TempDir(), func(o *store.Options) { o.AtCommit(d.commit) })
	s := l.space("default")
	do(t, s, put("a", "text"))
	checkpoint(t, l)
	ord, _, _ := s.Lookup("a")
	recode := func() (n int, err error) {
		err = s.Recode(t.Context(), []record.Ord{ord}, func(_ record.Ord, v record.Value) (record.Value, error) {
			return append(record.Value(nil), v...), nil
		}, func(done []store.Recoded) { n += len(done) })
		return n, err
	}
	d.set(fullDisk["write"])
	if n, err := recode(); n != 0 || !errors.Is(err, store.ErrFull) {
		t.Errorf("%d recoded, %v; want ErrFull", n, err)
	}
	compare(t, s, map[string]string{"a": "text"})
	d.heal()
	if n, err := recode(); n != 1 || err != nil {
		t.Errorf("with room again: %d recoded, %v", n, err)
	}
}

// TestWritersThatWaitLearnOfAFullDisk: those who wait at the bound when the checkpoint fails are told why, not that the node is busy.
func TestWritersThatWaitLearnOfAFullDisk(t *testing.T) {
	var d disease
	l := live(t, t.TempDir(), func(o *store.Options) {
		o.MemtableBytes = 64 << 10
		o.AtCommit(d.commit)
	})
	s := l.space("default")
	d.set(fullDisk["write"])
	errs := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				if _, err := s.Apply(t.Context(), []store.Change{put(fmt.Sprint(w, "-", i), strings.Repeat("x", 1000))}); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range 8 {
		if err := <-errs; !errors.Is(err, store.ErrFull) {
			t.Errorf("%v; want ErrFull", err)
		}
	}
}
