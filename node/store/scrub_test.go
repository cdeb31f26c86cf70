package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/store"
)

func TestScrub(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	holey(t, l, s)
	found, err := s.Scrub(t.Context(), 0)
	if err != nil || found.Damaged != 0 || found.Values < 600 || found.Bytes == 0 {
		t.Fatalf("a whole base: %+v, %v", found, err)
	}
	if last := s.LastScrub(); last == nil || *last != found {
		t.Errorf("the last scrub is %+v; want %+v", last, found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Scrub(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	if s.Err() != nil {
		t.Error(s.Err())
	}
}

// TestScrubFindsAFlippedBit in a value under a running store: it is isolated, and found once only.
func TestScrubFindsAFlippedBit(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	do(t, s, put("a", "precious text"))
	do(t, s, put("b", "other text"))
	checkpoint(t, l)
	inPlace(t, filepath.Join(s.Dir(), "base.db"), "precious", func(b []byte) { b[2] ^= 1 })
	for range 2 {
		found, err := s.Scrub(t.Context(), 0)
		if err != nil || found.Damaged == 0 || len(s.Faults()) != 1 {
			t.Errorf("%+v, %v, faults %v; want one value", found, err, s.Faults())
		}
	}
	if got, err := content(t, s, "b"); got != "other text" || err != nil {
		t.Errorf("the other value: %q, %v", got, err)
	}
}

// TestScrubFindsStructuralDamage where no read comes by.
func TestScrubFindsStructuralDamage(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	do(t, s, put("a", "precious text"))
	checkpoint(t, l)
	path := filepath.Join(s.Dir(), "base.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := bytes.Index(b, []byte("precious")) / os.Getpagesize() * os.Getpagesize()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff}, int64(page)+8); err != nil { // its flags
		t.Fatal(err)
	}
	if _, err := s.Scrub(t.Context(), 1<<30); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v; want ErrDamaged", err)
	}
	if !errors.Is(s.Err(), store.ErrDamaged) {
		t.Errorf("%v; want ErrDamaged", s.Err())
	}
}

// inPlace changes the bytes of a file at every place of a text.
func inPlace(t *testing.T, path, text string, change func(b []byte)) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for at := 0; ; n++ {
		i := bytes.Index(whole[at:], []byte(text))
		if i < 0 {
			break
		}
		at += i
		change(whole[at : at+len(text)])
		if _, err := f.WriteAt(whole[at:at+len(text)], int64(at)); err != nil {
			t.Fatal(err)
		}
		at += len(text)
	}
	if n == 0 {
		t.Fatalf("%q is not in %s", text, path)
	}
}
