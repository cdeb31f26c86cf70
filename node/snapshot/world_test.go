package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/vector"
	"github.com/engramd/engramd/node/wal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a running store with one space, and a shelf beside it.
type world struct {
	t     testing.TB
	dir   string
	store *store.Store
	space *store.Space
	shelf *snapshot.Shelf
	opts  snapshot.Options
	now   atomic.Pointer[time.Time]
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.set(time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC))
	fsys, err := disk.NewOS(filepath.Join(w.dir, "node"))
	if err != nil {
		t.Fatal(err)
	}
	w.store, err = store.Open(store.Options{
		FS: fsys, WAL: wal.Options{SegmentBytes: 4 << 20}, MapBytes: 1 << 26, CheckpointEvery: time.Hour,
		Views: func(_ *store.Space, dir string) ([]store.View, error) {
			v, err := vector.New(vector.Options{Dir: dir})
			return []store.View{v}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, w.store.Close(), w.shelf.Close(), fsys.Close()); err != nil {
			t.Error(err)
		}
	})
	if w.space, err = w.store.Create("default", 0); err != nil {
		t.Fatal(err)
	}
	w.opts = snapshot.Options{Dir: filepath.Join(w.dir, "snapshots"), Now: func() time.Time { return *w.now.Load() }}
	w.open()
	return w
}

func (w *world) set(now time.Time) { w.now.Store(&now) }

func (w *world) later(d time.Duration) { w.set(w.now.Load().Add(d)) }

// open opens the shelf again, as after a restart.
func (w *world) open() {
	w.t.Helper()
	s, err := snapshot.Open(w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.shelf != nil {
		if err := w.shelf.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.shelf = s
}

// fill remembers n memories, two of three with a vector, in one group.
func (w *world) fill(n int) {
	w.t.Helper()
	changes := make([]store.Change, n)
	for i := range changes {
		m := record.Memory{ID: fmt.Sprintf("m%04d", i), Content: fmt.Sprint("content of ", i)}
		if i%3 > 0 {
			m.Vector = slices.Repeat([]float32{float32(i)}, 100)
		}
		changes[i] = store.Change{Kind: record.Put, ID: m.ID, Value: record.AppendValue(nil, &m, 0), Vector: m.Vector}
	}
	changes = append(changes, store.Change{Kind: record.Link, ID: "m0001", ToID: "m0002", Weight: 9})
	rs, err := w.space.Apply(w.t.Context(), changes)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rs {
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
	}
}

func (w *world) take() snapshot.Info {
	w.t.Helper()
	i, err := w.shelf.Take(w.t.Context(), w.space)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) names() []string {
	w.t.Helper()
	infos, err := w.shelf.List("")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

// entries are all names in the shelf's directory, hidden ones too.
func (w *world) entries() []string {
	w.t.Helper()
	list, err := os.ReadDir(w.opts.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// restored adopts a snapshot as another space.
func (w *world) restored(name, as string) (*store.Space, error) {
	i, err := w.shelf.Get(name)
	if err != nil {
		return nil, err
	}
	return w.store.Adopt(w.t.Context(), as, i.Dimension, func(dir string) error { return w.shelf.Fill(w.t.Context(), name, dir) })
}

// tell returns everything in a space, a line a memory.
func tell(t testing.TB, s *store.Space) []string {
	t.Helper()
	var out []string
	v := s.Views()[0].(*vector.View)
	err := s.Scan(t.Context(), 0, func(ord record.Ord, value record.Value, damage error) (bool, error) {
		var m record.Memory
		if damage != nil {
			return false, damage
		}
		if err := value.Decode(&m, value.Payload()); err != nil {
			return false, err
		}
		x, err := v.Get(t.Context(), ord, 0)
		if err != nil {
			return false, err
		}
		m.Vector = x
		out = append(out, fmt.Sprintf("%d %+v", ord, m))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
