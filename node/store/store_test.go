package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/wal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if args := os.Getenv(flipChild); args != "" {
		os.Exit(flipping(args))
	}
	goleak.VerifyTestMain(m)
}

// A life is a store from Open to Close.
type life struct {
	*store.Store
	t       testing.TB
	mirrors map[string]*mirror
	end     func()
}

// live opens the store in dir and runs it until end or the end of the test. adjust, if not nil, changes the options.
func live(t testing.TB, dir string, adjust func(*store.Options)) *life {
	t.Helper()
	fsys, err := disk.NewOS(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{t: t, mirrors: map[string]*mirror{}}
	opts := store.Options{
		FS: fsys, WAL: wal.Options{SegmentBytes: 64 << 10, Retry: time.Millisecond}, MapBytes: 1 << 24, CheckpointEvery: time.Hour,
		Views: func(s *store.Space, _ string) ([]store.View, error) {
			m := newMirror()
			l.mirrors[s.Name()] = m
			return []store.View{m}, nil
		},
	}
	if adjust != nil {
		adjust(&opts)
	}
	l.Store, err = store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	var once sync.Once
	l.end = func() {
		once.Do(func() {
			cancel()
			if err := errors.Join(<-done, l.Close(), fsys.Close()); err != nil && !t.Failed() {
				t.Log(err)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *life) space(name string) *store.Space {
	l.t.Helper()
	s, err := l.Create(name, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func put(id, content string) store.Change {
	m := record.Memory{ID: id, Content: content, CreatedAt: time.UnixMilli(1), UpdatedAt: time.UnixMilli(1)}
	return store.Change{Kind: record.Put, ID: id, Value: record.AppendValue(nil, &m, 0)}
}

// do applies one change and returns its result.
func do(t testing.TB, s *store.Space, c store.Change) store.Result {
	t.Helper()
	r, err := s.Apply(t.Context(), []store.Change{c})
	if err != nil {
		t.Fatal(err)
	}
	return r[0]
}

func content(t testing.TB, s *store.Space, id string) (string, error) {
	t.Helper()
	ord, _, ok := s.Lookup(id)
	if !ok {
		return "", store.ErrNotFound
	}
	var m record.Memory
	err := s.Read(ord, func(v record.Value) error { return v.Decode(&m, v.Payload()) })
	return m.Content, err
}

func TestChanges(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	first := do(t, s, put("a", "one"))
	if first.Err != nil || first.Ord != 1 || first.Version == 0 {
		t.Fatalf("put: %+v", first)
	}
	with := func(c store.Change, f func(*store.Change)) store.Change { f(&c); return c }
	for _, c := range []struct {
		name   string
		change store.Change
		want   error
	}{
		{"an id that is there", with(put("a", "x"), func(c *store.Change) { c.IfAbsent = true }), store.ErrExists},
		{"another version", with(put("a", "x"), func(c *store.Change) { c.IfVersion = first.Version + 9 }), store.ErrVersion},
		{"a version of nothing", with(put("zz", "x"), func(c *store.Change) { c.IfVersion = 3 }), store.ErrNotFound},
		{"delete nothing", store.Change{Kind: record.Delete, ID: "zz"}, store.ErrNotFound},
		{"delete another version", store.Change{Kind: record.Delete, ID: "a", IfVersion: 77}, store.ErrVersion},
		{"link to nothing", store.Change{Kind: record.Link, ID: "a", ToID: "zz", Weight: 1}, store.ErrNotFound},
		{"link from nothing", store.Change{Kind: record.Link, ID: "zz", ToID: "a", Weight: 1}, store.ErrNotFound},
		{"link to itself", store.Change{Kind: record.Link, ID: "a", ToID: "a", Weight: 1}, record.ErrInvalid},
		{"touch nothing", store.Change{Kind: record.Touch, ID: "zz"}, store.ErrNotFound},
		{"free what lives", store.Change{Kind: record.Free, Ord: 1}, store.ErrNotFound},
		{"delete an ordinal of nothing", store.Change{Kind: record.Delete, Ord: 99}, store.ErrNotFound},
		{"this version", with(put("a", "two"), func(c *store.Change) { c.IfVersion = first.Version }), nil},
	} {
		if r := do(t, s, c.change); !errors.Is(r.Err, c.want) {
			t.Errorf("%s: %v; want %v", c.name, r.Err, c.want)
		}
	}
	if got, err := content(t, s, "a"); got != "two" || err != nil {
		t.Errorf("a is %q, %v; want two", got, err)
	}
	if got := l.Stats().WAL.DurableLSN; got != 2 {
		t.Errorf("%d LSNs were used; refused changes take none", got)
	}
}

// TestAGroupSeesItself: later changes of one group build on earlier ones.
func TestAGroupSeesItself(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	exists := put("a", "again")
	exists.IfAbsent = true
	rs, err := s.Apply(t.Context(), []store.Change{
		put("a", "one"), put("b", "two"),
		{Kind: record.Link, ID: "a", ToID: "b", Weight: record.WeightOne},
		exists,
		{Kind: record.Delete, ID: "a"},
		{Kind: record.Delete, ID: "a"},
		{Kind: record.Link, ID: "b", ToID: "a", Weight: record.WeightOne},
		put("a", "three"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []error{nil, nil, nil, store.ErrExists, nil, store.ErrNotFound, store.ErrNotFound, nil}
	for i, r := range rs {
		if !errors.Is(r.Err, want[i]) {
			t.Errorf("change %d: %v; want %v", i, r.Err, want[i])
		}
	}
	if got, _ := content(t, s, "a"); got != "three" || rs[7].Ord == rs[0].Ord {
		t.Errorf("a is %q with ordinal %d after %d; want three and another", got, rs[7].Ord, rs[0].Ord)
	}
}

func TestTheLogGoesAfterTheCheckpoint(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, func(o *store.Options) { o.CheckpointBytes = 1 << 30 })
	s, idle := l.space("default"), l.space("idle")
	do(t, idle, put("x", "kept"))
	big := make([]byte, 5000)
	for i := range big {
		big[i] = 'a' + byte(i%26)
	}
	for i := range 60 {
		do(t, s, put(fmt.Sprint(i), string(big)))
	}
	if n := l.Stats().WAL.SealedPending; n < 3 {
		t.Fatalf("%d sealed segments; want some", n)
	}
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.Stats().WAL.SealedPending; n != 0 {
		t.Errorf("%d sealed segments after the checkpoint", n)
	}
	l.end()
	l = live(t, dir, nil)
	if n := l.Stats().Recovery.Batches; n > 15 {
		t.Errorf("%d batches were read again", n)
	}
	compare(t, l.space("idle"), map[string]string{"x": "kept"})
	if n := l.space("default").Count(); n != 60 {
		t.Errorf("%d memories; want 60", n)
	}
}

func TestWritersWaitAtTheBoundAndAreBusyThen(t *testing.T) {
	l := live(t, t.TempDir(), func(o *store.Options) {
		o.MemtableBytes, o.CheckpointBytes, o.BusyWait = 20_000, 1<<40, 20*time.Second
	})
	s := l.space("default")
	for i := range 200 { // each wait ends with the checkpoint that it asks for
		do(t, s, put(fmt.Sprint(i), string(make([]byte, 1000))))
	}
	if s.Count() != 200 {
		t.Errorf("%d memories; want 200", s.Count())
	}
}

func TestAFullDisk(t *testing.T) {
	d := powercut.New()
	d.Room = 3*64<<10 + 100
	l := live(t, t.TempDir(), func(o *store.Options) { o.WAL.FS = d })
	s := l.space("default")
	model := map[string]string{}
	text := string(make([]byte, 9000))
	for i := 0; ; i++ {
		id := fmt.Sprint(i)
		rs, err := s.Apply(t.Context(), []store.Change{put(id, text)})
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil || rs[0].Err != nil {
			t.Fatal(err)
		}
		model[id] = text
	}
	compare(t, s, model)
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		rs, err := s.Apply(t.Context(), []store.Change{put("late", "there is room again")})
		if errors.Is(err, store.ErrFull) {
			continue // the segment is being prepared
		}
		if err != nil || rs[0].Err != nil {
			t.Fatal(err)
		}
		break
	}
	model["late"] = "there is room again"
	compare(t, s, model)
}
