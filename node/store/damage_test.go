package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

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
	info, err := pages.Walk(bytes.NewReader(whole), int64(len(whole)), func(_, _, _ []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	refused := 0
	for range 40 {
		b := append([]byte(nil), whole...)
		page := rng.IntN(int(info.Pages))
		b[page*info.PageSize+rng.IntN(48)] ^= 1 << rng.IntN(8)
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

// TestABucketWithADamagedName has one bit of a bucket's name flipped: whoever walks the base says so, and nobody takes its entries for others'.
func TestABucketWithADamagedName(t *testing.T) {
	for _, name := range []string{"0meta", "1dead", "2records", "3edges", "4access"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := live(t, dir, nil)
			s := l.space("default")
			do(t, s, put("a", "1"))
			do(t, s, put("b", "2"))
			do(t, s, store.Change{Kind: record.Link, ID: "a", ToID: "b", Weight: 9})
			do(t, s, store.Change{Kind: record.Touch, ID: "a"})
			do(t, s, store.Change{Kind: record.Delete, ID: "b"}) // dead while an edge leads to it
			if _, err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(s.Dir(), "base.db")
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			flipped := []byte(name)
			flipped[len(name)-1] ^= 1
			if err := os.WriteFile(file, bytes.ReplaceAll(b, []byte(name), flipped), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = store.Inspect(t.Context(), file)
			if !errors.Is(err, pages.ErrDamaged) {
				t.Errorf("inspected: %v", err)
			}
			_, _, err = s.Compact(t.Context())
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("compacted: %v", err)
			}
			l.end()
			l = live(t, dir, nil)
			if s = l.space("default"); !errors.Is(s.Err(), store.ErrDamaged) {
				t.Errorf("opened: %v", s.Err())
			}
		})
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
