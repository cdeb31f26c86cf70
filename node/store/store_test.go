package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/wal"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// TestLives runs random changes through several lives of a store, some of which checkpoint, and holds each
// against a plain model and what the views said before.
func TestLives(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { lives(t, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func lives(t *testing.T, rng *rand.Rand) {
	dir := t.TempDir()
	model := map[string]string{}
	var before []string
	for range 6 {
		l := live(t, dir, nil)
		s := l.space("default")
		if diff := cmp.Diff(before, l.mirrors["default"].tell()); before != nil && diff != "" {
			t.Fatalf("views after a restart (-before +after):\n%s", diff)
		}
		for range 300 {
			change(t, rng, l, s, model)
		}
		compare(t, s, model)
		if rng.IntN(2) == 0 {
			if err := l.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			compare(t, s, model)
		}
		before = l.mirrors["default"].tell()
		if rng.IntN(2) == 0 {
			l.end()
		} else {
			dir = crashed(t, dir)
			l.end()
		}
	}
}

// crashed copies the files as a killed process would leave them.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// change does one random thing to the space and the model.
func change(t *testing.T, rng *rand.Rand, l *life, s *store.Space, model map[string]string) {
	t.Helper()
	id, other := fmt.Sprint("m", rng.IntN(40)), fmt.Sprint("m", rng.IntN(40))
	var c store.Change
	switch rng.IntN(10) {
	case 0, 1, 2, 3:
		text := fmt.Sprint("text ", rng.Uint64())
		c = put(id, text)
		model[id] = text
	case 4:
		c = store.Change{Kind: record.Delete, ID: id}
		delete(model, id)
	case 5, 6:
		c = store.Change{Kind: record.Link, ID: id, ToID: other, Weight: record.Weight(1 + rng.IntN(20000))}
	case 7:
		c = store.Change{Kind: record.Unlink, ID: id, ToID: other}
	case 8:
		from, _, _ := s.Lookup(id)
		to, _, _ := s.Lookup(other)
		c = store.Change{Kind: record.Strengthen, Ord: from, To: to, Weight: record.Weight(1 + rng.IntN(20000))}
	case 9:
		c = store.Change{Kind: record.Touch, ID: id, Access: record.Access{Activation: rng.Float32(), Count: rng.Uint32(), LastAt: time.UnixMilli(rng.Int64N(1e12)).UTC()}}
	}
	do(t, s, c)
	if rng.IntN(200) == 0 {
		if err := l.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func compare(t *testing.T, s *store.Space, model map[string]string) {
	t.Helper()
	got := map[string]string{}
	err := s.Scan(t.Context(), 0, func(_ record.Ord, v record.Value, damage error) (bool, error) {
		if damage != nil {
			return false, damage
		}
		var m record.Memory
		err := v.Decode(&m, v.Payload())
		got[m.ID] = m.Content
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(model, got); diff != "" {
		t.Fatalf("memories (-want +got):\n%s", diff)
	}
	if s.Count() != len(model) {
		t.Fatalf("%d memories; want %d", s.Count(), len(model))
	}
	for id, want := range model {
		if got, err := content(t, s, id); got != want || err != nil {
			t.Fatalf("%s is %q, %v; want %q", id, got, err, want)
		}
	}
}

// TestAnOrdinalIsGivenAgainOnlyWhenFreed, and brings nothing of its former life with it.
func TestAnOrdinalIsGivenAgainOnlyWhenFreed(t *testing.T) {
	for _, checkpoints := range []bool{false, true} {
		dir := t.TempDir()
		l := live(t, dir, nil)
		s := l.space("default")
		pause := func() {
			if !checkpoints {
				return
			}
			if err := l.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		a, b := do(t, s, put("a", "1")).Ord, do(t, s, put("b", "2")).Ord
		do(t, s, store.Change{Kind: record.Link, ID: "a", ToID: "b", Weight: 5})
		do(t, s, store.Change{Kind: record.Touch, ID: "a", Access: record.Access{Count: 7}})
		pause()
		do(t, s, store.Change{Kind: record.Delete, ID: "a"})
		if c := do(t, s, put("c", "3")).Ord; c == a {
			t.Fatalf("the ordinal of a deleted memory was given again at once")
		}
		pause()
		free := store.Change{Kind: record.Free, Ord: a} // freed twice is freed once
		if _, err := s.Apply(t.Context(), []store.Change{free, free}); err != nil {
			t.Fatal(err)
		}
		if d, e := do(t, s, put("d", "4")).Ord, do(t, s, put("e", "5")).Ord; d != a || e == a {
			t.Fatalf("ordinals %d and %d after freeing %d", d, e, a)
		}
		l.end()
		l = live(t, dir, nil)
		s = l.space("default")
		m := l.mirrors["default"]
		if len(m.edges) > 0 || m.access[a].Count != 0 {
			t.Errorf("the next memory with ordinal %d inherited %v and %v (b is %d)", a, m.edges, m.access[a], b)
		}
		if got, err := content(t, s, "d"); got != "4" || err != nil {
			t.Errorf("d is %q, %v", got, err)
		}
		l.end()
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

func TestDroppedSpaces(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s := l.space("old")
	do(t, s, put("a", "1"))
	if err := l.Drop(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), []store.Change{put("b", "2")}); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("apply to a deleted space: %v", err)
	}
	if err := s.Read(1, nil); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("read of a deleted space: %v", err)
	}
	again := l.space("old")
	if again.ID() == s.ID() || again.Count() != 0 {
		t.Errorf("the new space has id %d (before %d) and %d memories", again.ID(), s.ID(), again.Count())
	}
	// Killed: the log still has the puts of the first one.
	l2 := live(t, crashed(t, dir), nil)
	if n := l2.space("old").Count(); n != 0 {
		t.Errorf("%d memories came back", n)
	}
}

func TestAliases(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	a := l.space("a")
	if err := l.Alias("main", "a"); err != nil {
		t.Fatal(err)
	}
	if err := l.Alias("a", "a"); !errors.Is(err, store.ErrSpaceExists) {
		t.Errorf("an alias over a space: %v", err)
	}
	if err := l.Alias("x", "nothing"); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("an alias of nothing: %v", err)
	}
	l.end()
	l = live(t, dir, nil)
	if s, err := l.Space("main"); err != nil || s.ID() != a.ID() {
		t.Errorf("main is %v, %v; want a", s, err)
	}
}

// flip inverts bits of a file at the place of a text.
func flip(t *testing.T, path, text string, by int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := 0; i+len(text) <= len(b); i++ {
		if string(b[i:i+len(text)]) == text {
			b[i+by] ^= 4
			n++
		}
	}
	if n == 0 {
		t.Fatalf("%q is not in %s", text, path)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFlippedBitInAValueIsIsolated(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s := l.space("default")
	do(t, s, put("a", "precious text"))
	do(t, s, put("b", "other text"))
	path := filepath.Join(s.Dir(), "base.db")
	l.end()
	flip(t, path, "precious text", 3)
	l = live(t, dir, nil)
	s = l.space("default")
	if _, err := content(t, s, "a"); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("the damaged value: %v; want ErrCorrupt", err)
	}
	if got, err := content(t, s, "b"); got != "other text" || err != nil {
		t.Errorf("the other value: %q, %v", got, err)
	}
	if len(s.Faults()) != 1 {
		t.Errorf("faults %v; want one", s.Faults())
	}
	do(t, s, put("a", "healed"))
	if got, err := content(t, s, "a"); got != "healed" || err != nil {
		t.Errorf("after a put: %q, %v", got, err)
	}
}

// TestStructuralDamageRefusesOneSpace flips bits all over the pages' headers: whatever happens, the process lives, other
// spaces serve, and no memory is silently missing.
func TestStructuralDamageRefusesOneSpace(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s, other := l.space("default"), l.space("other")
	do(t, other, put("x", "1"))
	var changes []store.Change
	for i := range 400 {
		changes = append(changes, put(fmt.Sprint(i), fmt.Sprint("text ", i)))
	}
	if _, err := s.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir(), "base.db")
	l.end()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	refused := 0
	for range 40 {
		b := append([]byte(nil), whole...)
		page := rng.IntN(len(b) / os.Getpagesize())
		b[page*os.Getpagesize()+rng.IntN(48)] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l := live(t, dir, nil)
		s, err := l.Space("default")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Err(); err != nil {
			refused++
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%v; want ErrDamaged", err)
			}
		} else if s.Count() != 400 {
			t.Errorf("%d of 400 memories, and no error", s.Count())
		}
		compare(t, l.space("other"), map[string]string{"x": "1"})
		l.end()
	}
	if refused == 0 {
		t.Error("no flip refused the space")
	}
}

func TestRecodeAndMeta(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s := l.space("default")
	a := do(t, s, put("a", "text of a"))
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := do(t, s, put("b", "not in the base yet"))
	var done []store.Recoded
	err := s.Recode(t.Context(), []record.Ord{a.Ord, b.Ord}, func(ord record.Ord, v record.Value) (record.Value, error) {
		return v.Recode(ord, record.Zstd, 9, []byte("packed")), nil
	}, func(r []store.Recoded) { done = append(done, r...) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.Recoded{{Ord: a.Ord, Version: a.Version}}, done); diff != "" {
		t.Errorf("recoded (-want +got):\n%s", diff)
	}
	if err := s.SetMeta("dictionary/9", []byte("words")); err != nil {
		t.Fatal(err)
	}
	l.end()
	l = live(t, dir, nil)
	s = l.space("default")
	err = s.Read(a.Ord, func(v record.Value) error {
		if v.Codec() != record.Zstd || v.Dictionary() != 9 || string(v.Payload()) != "packed" || string(v.ID()) != "a" {
			t.Errorf("value %q with codec %d", v.Payload(), v.Codec())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got, err := s.Meta("dictionary/9"); string(got) != "words" || err != nil {
		t.Errorf("meta %q, %v", got, err)
	}
}

// A fuse is a context that ends when it was asked often enough.
type fuse struct {
	context.Context
	left int
}

func (f *fuse) Err() error {
	f.left--
	if f.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestACheckpointThatIsCutShort leaves a base with a part of the memtable: the rest must come from the log, and the
// next checkpoint must finish it.
func TestACheckpointThatIsCutShort(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, func(o *store.Options) { o.WAL.SegmentBytes = 1 << 20 })
	s := l.space("default")
	model := map[string]string{}
	var changes []store.Change
	for i := range 5000 {
		id := fmt.Sprint("m", i)
		model[id] = id
		changes = append(changes, put(id, id))
		if i > 0 {
			changes = append(changes, store.Change{Kind: record.Link, ID: id, ToID: "m0", Weight: 7})
		}
	}
	if _, err := s.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	before := l.mirrors["default"].tell()
	for parts := range 6 {
		if err := l.Checkpoint(&fuse{t.Context(), parts}); !errors.Is(err, context.Canceled) && err != nil {
			t.Fatal(err)
		}
		after := live(t, crashed(t, dir), nil)
		compare(t, after.space("default"), model)
		if diff := cmp.Diff(before, after.mirrors["default"].tell()); diff != "" {
			t.Fatalf("views after a checkpoint cut after %d parts (-want +got):\n%s", parts, diff)
		}
		after.end()
	}
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare(t, s, model)
}

// TestAdopt restores a copy of a space over it: what came after the copy is gone, also after a crash that leaves the log of
// the old one.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s := l.space("default")
	do(t, s, put("a", "1"))
	do(t, s, put("b", "2"))
	do(t, s, store.Change{Kind: record.Link, ID: "a", ToID: "b", Weight: 9})
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	var snapshot bytes.Buffer
	if _, err := s.CopyBase(&snapshot, nil); err != nil {
		t.Fatal(err)
	}
	before := l.mirrors["default"].tell()
	do(t, s, put("a", "changed"))
	do(t, s, put("c", "3"))
	fill := func(dir string) error { return os.WriteFile(filepath.Join(dir, "base.db"), snapshot.Bytes(), 0o600) }
	restored, err := l.Adopt(t.Context(), "default", 0, fill)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "1", "b": "2"}
	compare(t, restored, want)
	if diff := cmp.Diff(before, l.mirrors["default"].tell()); diff != "" {
		t.Errorf("views (-before +after):\n%s", diff)
	}
	if err := s.Err(); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("the old space: %v", err)
	}
	do(t, restored, put("d", "4"))
	want["d"] = "4"
	after := live(t, crashed(t, dir), nil)
	compare(t, after.space("default"), want)
	// What cannot be adopted changes nothing.
	for _, bad := range []func(string) error{
		func(string) error { return errors.New("half a snapshot") },
		func(dir string) error { return os.WriteFile(filepath.Join(dir, "base.db"), make([]byte, 9000), 0o600) },
	} {
		if _, err := l.Adopt(t.Context(), "default", 0, bad); err == nil {
			t.Error("a bad snapshot was adopted")
		}
		compare(t, restored, want)
	}
	if names, err := os.ReadDir(filepath.Join(dir, "spaces")); err != nil || len(names) != 1 {
		t.Errorf("directories %v, %v; want that of the restored one", names, err)
	}
}

// TestABaseThatIsDamagedUnderARunningNode cuts the file off under bbolt's map, which makes reading it a fault of
// memory: the process lives, the space is refused, others serve, and changes that were answered are set apart.
func TestABaseThatIsDamagedUnderARunningNode(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s, other := l.space("default"), l.space("other")
	for i := range 50 {
		do(t, s, put(fmt.Sprint("m", i), string(make([]byte, 4000))))
	}
	do(t, other, put("x", "1"))
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, s, put("late", "answered"))
	if err := os.Truncate(filepath.Join(s.Dir(), "base.db"), int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	if _, err := content(t, s, "m7"); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("read of what is cut off: %v; want ErrDamaged", err)
	}
	if _, err := s.Apply(t.Context(), []store.Change{put("no", "x")}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("write into the damaged space: %v", err)
	}
	do(t, other, put("y", "2"))
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Errorf("checkpoint of the others: %v", err)
	}
	compare(t, other, map[string]string{"x": "1", "y": "2"})
	if n := l.Stats().MemtableBytes; n != 0 {
		t.Errorf("the memtables still hold %d bytes", n)
	}
	l.end()
	l = live(t, dir, nil)
	s, err := l.Space("default")
	if err != nil || !errors.Is(s.Err(), store.ErrDamaged) {
		t.Fatalf("after a restart: %v, %v", s.Err(), err)
	}
	compare(t, l.space("other"), map[string]string{"x": "1", "y": "2"})
	apart, err := filepath.Glob(filepath.Join(s.Dir(), "unapplied-*.ops"))
	if err != nil || len(apart) == 0 {
		t.Fatalf("nothing was set apart: %v", err)
	}
	b, err := os.ReadFile(apart[0])
	if err != nil || !bytes.Contains(b, []byte("answered")) {
		t.Errorf("%s does not hold what was answered: %v", apart[0], err)
	}
}
