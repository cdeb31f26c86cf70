package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

// holey fills a space, checkpoints it and deletes most of it again, so that its base is mostly free pages.
func holey(t *testing.T, l *life, s *store.Space) map[string]string {
	t.Helper()
	model := map[string]string{}
	for from := 0; from < 3000; from += 500 {
		var changes []store.Change
		for i := from; i < from+500; i++ {
			id := fmt.Sprint("m", i)
			model[id] = fmt.Sprint(id, string(make([]byte, i%700)))
			changes = append(changes, put(id, model[id]))
			if i > 0 {
				changes = append(changes, store.Change{Kind: record.Link, ID: id, ToID: "m0", Weight: 7})
			}
		}
		for part := range slices.Chunk(changes, 50) {
			if _, err := s.Apply(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkpoint(t, l)
	var gone []store.Change
	for i := range 3000 {
		if i%5 != 0 {
			gone = append(gone, store.Change{Kind: record.Delete, ID: fmt.Sprint("m", i)})
			delete(model, fmt.Sprint("m", i))
		}
	}
	for part := range slices.Chunk(gone, 500) {
		if _, err := s.Apply(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	do(t, s, store.Change{Kind: record.Touch, ID: "m5", Access: record.Access{Activation: 0.5, Count: 3}})
	checkpoint(t, l)
	checkpoint(t, l)
	return model
}

func checkpoint(t *testing.T, l *life) {
	t.Helper()
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCompact(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s := l.space("default")
	model := holey(t, l, s)
	if err := s.SetMeta("dictionary", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	said := l.mirrors["default"].tell()
	before, after, err := s.Compact(t.Context())
	if err != nil || after*2 > before {
		t.Fatalf("%d bytes before, %d after, %v; want less than half", before, after, err)
	}
	compare(t, s, model)
	do(t, s, put("new", "written into the new file"))
	model["new"] = "written into the new file"
	checkpoint(t, l)
	if kept, err := s.Meta("dictionary"); string(kept) != "kept" || err != nil {
		t.Errorf("meta: %q, %v", kept, err)
	}
	if again, once, err := s.Compact(t.Context()); err != nil || once > again {
		t.Errorf("once more: %d, %d, %v", again, once, err)
	}
	l.end()
	l = live(t, dir, nil)
	s = l.space("default")
	compare(t, s, model)
	do(t, s, store.Change{Kind: record.Delete, ID: "new"})
	if diff := cmp.Diff(said, l.mirrors["default"].tell()); diff != "" {
		t.Errorf("views after compaction and restart (-before +after):\n%s", diff)
	}
}

// TestCompactBesideWritersAndReaders: while a space is compacted over and over, memories change, checkpoints and recoding run, and every
// read finds what the model has.
func TestCompactBesideWritersAndReaders(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, func(o *store.Options) { o.MemtableBytes = 64 << 10 })
	s := l.space("default")
	model := holey(t, l, s)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprint("m", 5*(i%600)) // one that lives
			if got, err := content(t, s, id); err != nil || got[:len(id)] != id {
				t.Errorf("%s: %.20q, %v", id, got, err)
				return
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := l.Checkpoint(t.Context()); err != nil {
				t.Error(err)
				return
			}
			if err := s.SetMeta("at", fmt.Append(nil, s.Count())); err != nil {
				t.Error(err)
				return
			}
		}
	})
	compacted := make(chan struct{})
	wg.Go(func() {
		defer close(compacted)
		for range 5 {
			if _, _, err := s.Compact(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	rng := rand.New(rand.NewPCG(1, 1))
	for i := 0; ; i++ {
		select {
		case <-compacted:
		default:
			id := fmt.Sprint("m", rng.IntN(3000))
			if n := rng.IntN(3000); n%5 != 0 && rng.IntN(3) == 0 {
				id = fmt.Sprint("m", n)
				do(t, s, store.Change{Kind: record.Delete, ID: id})
				delete(model, id)
				continue
			}
			model[id] = fmt.Sprint(id, " at ", i)
			do(t, s, put(id, model[id]))
			continue
		}
		break
	}
	close(stop)
	wg.Wait()
	compare(t, s, model)
	l.end()
	compare(t, live(t, dir, nil).space("default"), model)
}

// TestCompactIsCut ends a compaction at each of its steps, looks at what a crash there would leave, and at the store that goes on.
func TestCompactIsCut(t *testing.T) {
	var steps []string
	for at := 0; ; at++ {
		dir := t.TempDir()
		var left string
		cut := errors.New("cut")
		n := -1
		l := live(t, dir, func(o *store.Options) {
			o.AtStep(func(step string) error {
				if n++; n != at {
					return nil
				}
				steps = append(steps, step)
				left = crashed(t, dir)
				return cut
			})
		})
		s := l.space("default")
		model := holey(t, l, s)
		said := l.mirrors["default"].tell()
		_, _, err := s.Compact(t.Context())
		if left == "" {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if !errors.Is(err, cut) {
			t.Errorf("%s: %v", steps[at], err)
		}
		do(t, s, put("after", "x"))
		checkpoint(t, l)
		if got, err := content(t, s, "after"); got != "x" || err != nil {
			t.Errorf("%s: afterwards %q, %v", steps[at], got, err)
		}
		l.end()
		after := live(t, left, nil)
		compare(t, after.space("default"), model)
		if diff := cmp.Diff(said, after.mirrors["default"].tell()); diff != "" {
			t.Errorf("views after a crash when %s (-before +after):\n%s", steps[at], diff)
		}
		if files, err := filepath.Glob(filepath.Join(after.space("default").Dir(), "base.db.*")); err != nil || len(files) > 0 {
			t.Errorf("%s: %v are left, %v", steps[at], files, err)
		}
		after.end()
	}
	if want := []string{"copied", "caught up", "synced", "renamed", "name synced", "swapped"}; !slices.Equal(steps, want) {
		t.Errorf("steps %v; want %v", steps, want)
	}
}

func TestCompactDamaged(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	holey(t, l, s)
	f, err := os.OpenFile(filepath.Join(s.Dir(), "base.db"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, used, err := s.Size()
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(2 * os.Getpagesize()); at < used; at += int64(os.Getpagesize()) {
		if _, err := f.WriteAt([]byte{9, 9, 9}, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Compact(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v; want ErrDamaged", err)
	}
}
