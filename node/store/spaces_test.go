package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

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

// TestAdoptBesideCheckpoints: what the log lets go of while a space is on its way into the catalog does not make it look older than the log.
func TestAdoptBesideCheckpoints(t *testing.T) {
	dir := t.TempDir()
	var beside func()
	l := live(t, dir, func(o *store.Options) {
		o.AtCommit(func() error {
			if do := beside; do != nil {
				beside = nil
				do()
			}
			return nil
		})
	})
	s, other := l.space("default"), l.space("other")
	do(t, s, put("a", "1"))
	checkpoint(t, l)
	var snapshot bytes.Buffer
	if _, err := s.CopyBase(&snapshot, nil); err != nil {
		t.Fatal(err)
	}
	_, err := l.Adopt(t.Context(), "default", 0, func(dir string) error {
		beside = func() { // the space's beginning is being written, as of an LSN
			for range 40 {
				do(t, other, put("b", strings.Repeat("text ", 1000)))
			}
			checkpoint(t, l)
		}
		return os.WriteFile(filepath.Join(dir, "base.db"), snapshot.Bytes(), 0o600)
	})
	if err != nil || beside != nil {
		t.Fatalf("%v, or nothing happened beside", err)
	}
	compare(t, live(t, crashed(t, dir), nil).space("default"), map[string]string{"a": "1"})
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
