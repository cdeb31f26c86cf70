package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

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
	for {
		to := t.TempDir()
		switch err := os.CopyFS(to, os.DirFS(dir)); {
		case err == nil:
			return to
		case !errors.Is(err, fs.ErrNotExist): // a log segment got its name meanwhile
			t.Fatal(err)
		}
	}
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
		dir = crashed(t, dir) // the log is replayed, and frees again
		l.end()
		l = live(t, dir, nil)
		s = l.space("default")
		if f, g := do(t, s, put("f", "6")).Ord, do(t, s, put("g", "7")).Ord; f == a || g == a || f == g {
			t.Fatalf("ordinals %d and %d after a restart; %d is in use", f, g, a)
		}
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

// TestManyShortLives: who is killed again and again before the next checkpoint is due does not fill the disk with the log.
func TestManyShortLives(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 {
		l := live(t, dir, nil)
		do(t, l.space("default"), put(fmt.Sprint("m", i), "x"))
		limit := time.Now().Add(10 * time.Second)
		for l.Stats().WAL.SealedPending > 4 {
			if time.Now().After(limit) {
				t.Fatalf("life %d: %+v", i, l.Stats().WAL)
			}
			runtime.Gosched()
		}
		dir = crashed(t, dir)
		l.end()
	}
	if n := live(t, dir, nil).space("default").Count(); n != 12 {
		t.Errorf("%d memories; want 12", n)
	}
}
