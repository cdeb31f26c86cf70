package snapshot_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

func TestTakeAndRestore(t *testing.T) {
	w := newWorld(t)
	empty := w.take()
	if empty.Memories != 0 || len(empty.Files) != 1 {
		t.Errorf("of an empty space: %+v", empty)
	}
	w.fill(500)
	before := tell(t, w.space)
	w.later(time.Minute)
	i := w.take()
	want := snapshot.Manifest{
		Name: "20261122T030100Z-default", Space: "default", SpaceID: w.space.ID(), LSN: 501, CreatedAt: *w.now.Load(), Memories: 500, Edges: 1,
		Files: i.Files,
	}
	if diff := cmp.Diff(want, i.Manifest); diff != "" || len(i.Files) != 2 || !i.VerifiedAt.Equal(*w.now.Load()) || i.Bytes == 0 {
		t.Errorf("%+v (-want +got):\n%s", i, diff)
	}
	if second := w.take(); second.Name != "20261122T030100Z-default.2" {
		t.Errorf("the second one of that second is %s", second.Name)
	}
	if diff := cmp.Diff([]string{"20261122T030100Z-default.2", i.Name, empty.Name}, w.names()); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	r, err := w.restored(i.Name, "again")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tell(t, r)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	w.open()
	if got := len(w.names()); got != 3 {
		t.Errorf("%d snapshots after a restart", got)
	}
}

// TestSweep leaves halves of all kinds, and what is not ours.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	i := w.take()
	halves := []string{".20261122T030000Z-other.half", ".20261122T030000Z-other.gone", "20261122T040000Z-default"}
	foreign := []string{".half", "lost+found", ".x.gone", "README"}
	for _, name := range append(halves, foreign...) {
		if err := os.Mkdir(filepath.Join(w.opts.Dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.opts.Dir, halves[0], "base.db"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{i.Name}, w.names()); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	w.open()
	if diff := cmp.Diff([]string{".half", ".x.gone", i.Name, "20261122T040000Z-default", "README", "lost+found"}, w.entries()); diff != "" {
		t.Errorf("after the sweep (-want +got):\n%s", diff)
	}
}

// TestFlippedBits flips a bit in each file of a snapshot in turn: the restore is refused, and the file named.
func TestFlippedBits(t *testing.T) {
	w := newWorld(t)
	w.fill(200)
	for _, file := range []string{"base.db", "vectors", "manifest.json"} {
		t.Run(file, func(t *testing.T) {
			w.later(time.Minute)
			i := w.take()
			path := filepath.Join(w.opts.Dir, i.Name, file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 4
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, try := range []func() error{
				func() error { _, err := w.shelf.Verify(t.Context(), i.Name); return err },
				func() error { _, err := w.restored(i.Name, "again"); return err },
			} {
				if err := try(); !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), i.Name+"/"+file) {
					t.Errorf("%v; want one that names %s/%s", err, i.Name, file)
				}
			}
			if _, err := w.store.Space("again"); !errors.Is(err, store.ErrNoSpace) {
				t.Errorf("it was restored: %v", err)
			}
			w.open()
			infos, err := w.shelf.List("default")
			if err != nil || infos[0].Name != i.Name || infos[0].Damage == "" {
				t.Errorf("listed as %+v, %v; want its damage", infos[0], err)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		w.later(time.Minute)
		i := w.take()
		if err := os.Truncate(filepath.Join(w.opts.Dir, i.Name, "vectors"), 5000); err != nil {
			t.Fatal(err)
		}
		if _, err := w.restored(i.Name, "again"); !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), "vectors") {
			t.Errorf("%v", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		w.later(time.Minute)
		i := w.take()
		if err := os.Remove(filepath.Join(w.opts.Dir, i.Name, "base.db")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.restored(i.Name, "again"); !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), "base.db") {
			t.Errorf("%v", err)
		}
	})
}

// A watched disk tells which file is opened.
type watched struct {
	disk.FS
	opened func(name string)
}

func (d watched) Open(name string) (disk.File, error) {
	d.opened(name)
	return d.FS.Open(name)
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	i := w.take()
	if err := w.shelf.Delete("20261122T030000Z-other"); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	// While it is read it stays.
	fsys, err := disk.NewOS(w.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	var tried error
	w.opts.FS = watched{fsys, func(name string) {
		if strings.HasSuffix(name, "base.db") {
			tried = w.shelf.Delete(i.Name)
		}
	}}
	w.open()
	if _, err := w.restored(i.Name, "again"); err != nil || !errors.Is(tried, snapshot.ErrInUse) {
		t.Errorf("restored: %v; deleted meanwhile: %v", err, tried)
	}
	w.opts.FS = nil
	w.open()
	if err := w.shelf.Delete(i.Name); err != nil {
		t.Fatal(err)
	}
	if got := w.entries(); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

func TestPathTricks(t *testing.T) {
	w := newWorld(t)
	w.take()
	outside := filepath.Join(w.dir, "20261122T030000Z-default")
	if err := os.Mkdir(outside, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"", ".", "..", "../20261122T030000Z-default", "/etc", "20261122T030000Z-default/../20261122T030000Z-default", "20261122T030000Z-default/",
		`..\20261122T030000Z-default`, "20261122T030000Z-default\x00", "%2e%2e%2f20261122T030000Z-default", "20261122T030000Z-%2f",
		"20261122T030000Z-..", "20261122T030000Z-a/b", ".20261122T030000Z-default.half", "20261122T030000Z-default.1", "20261122T030000Z-default.02",
		"20269922T030000Z-default", "20261122T030000Z-Default", "20261122T030000Z-default\n", " 20261122T030000Z-default", "20261122T030000Z-",
		"20261122T030000Z-" + strings.Repeat("a", 64), outside,
	} {
		for _, try := range []func() error{
			func() error { _, err := snapshot.ParseName(name); return err },
			func() error { _, err := w.shelf.Get(name); return err },
			func() error { _, err := w.shelf.Verify(t.Context(), name); return err },
			func() error { return w.shelf.Delete(name) },
			func() error { return w.shelf.Fill(t.Context(), name, t.TempDir()) },
			func() error { return w.shelf.Archive(t.Context(), "mem://", name) },
			func() error { _, err := w.shelf.Fetch(t.Context(), "mem://", name); return err },
		} {
			if err := try(); !errors.Is(err, record.ErrInvalid) {
				t.Errorf("%q: %v; want ErrInvalid", name, err)
			}
		}
	}
	if _, err := os.Stat(outside); err != nil || len(w.names()) != 1 {
		t.Errorf("something went: %v", err)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("20261122T030000Z-default")
	f.Add("20261122T030000Z-default.2")
	f.Add("../x")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := snapshot.ParseName(s)
		if err != nil {
			return
		}
		if n.String() != s || filepath.Base(s) != s || strings.ContainsAny(s, "/\\%\x00") || strings.HasPrefix(s, ".") || record.CheckSpaceName(n.Space) != nil {
			t.Errorf("%q is a name: %+v", s, n)
		}
	})
}

// TestCancelled ends a snapshot and a restore before they are through: nothing is left.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.fill(100)
	i := w.take()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.shelf.Take(ctx, w.space); !errors.Is(err, context.Canceled) {
		t.Errorf("take: %v", err)
	}
	if err := w.shelf.Fill(ctx, i.Name, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("fill: %v", err)
	}
	if got := w.entries(); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
	if i, err := w.shelf.Get(i.Name); err != nil || i.Damage != "" {
		t.Errorf("%+v, %v", i, err)
	}
}
