package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/pages"
)

func newBase(t *testing.T) *base {
	t.Helper()
	path := filepath.Join(t.TempDir(), "base.db")
	if err := makeBase(path, 1); err != nil {
		t.Fatal(err)
	}
	b, err := openBase(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func putMeta(b *base, key string, value []byte) error {
	return b.update(func(tx *baseTx) error {
		meta, err := tx.in(bucketMeta)
		if err != nil {
			return err
		}
		return meta.putSealed([]byte(key), value)
	})
}

// TestNobodyWaitsForBboltOnceItStopped in the middle of something, with its locks held: writes and Close return, reads go on.
func TestNobodyWaitsForBboltOnceItStopped(t *testing.T) {
	b := newBase(t)
	if err := putMeta(b, "x", []byte("before")); err != nil {
		t.Fatal(err)
	}
	err := b.guard(func() error {
		if _, err := b.db.Begin(true); err != nil {
			return err
		}
		panic("page 7: this cannot be")
	})
	if !errors.Is(err, pages.ErrDamaged) {
		t.Fatalf("%v; want ErrDamaged", err)
	}
	if err := putMeta(b, "x", []byte("after")); !errors.Is(err, pages.ErrDamaged) {
		t.Errorf("a write afterwards: %v", err)
	}
	s, err := b.acquire()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.tree.Get(s.meta, []byte("x")); err != nil || string(v[4:]) != "before" {
		t.Errorf("a read afterwards: %q, %v", v, err)
	}
	s.release()
	if err := b.close(); err != nil {
		t.Error(err)
	}
}

// TestABaseThatOutgrowsItsMap is full until it is opened again: to map it anew it would have to wait for its readers, and they for it.
func TestABaseThatOutgrowsItsMap(t *testing.T) {
	b := newBase(t)
	var err error
	n := 0
	for ; err == nil && n < 30; n++ {
		err = putMeta(b, fmt.Sprint(n), make([]byte, 8<<20))
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("after %d times 8 MiB: %v; want ErrFull", n, err)
	}
	if err := putMeta(b, "0", []byte("small")); err != nil {
		t.Errorf("what has room: %v", err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	if b, err = openBase(b.path, 0); err != nil {
		t.Fatal(err)
	}
	if err := putMeta(b, "more", make([]byte, 8<<20)); err != nil {
		t.Errorf("after it was opened again: %v", err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}
