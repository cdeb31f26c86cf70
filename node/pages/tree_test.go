package pages_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/pages"
)

var names = []string{"edges", "empty", "meta", "records"}

// lookUp does what a user of a tree does with every key that a walk of the whole file found.
func lookUp(b []byte, keys map[string]int) (found int, err error) {
	tree, err := pages.NewTree(b)
	if err != nil {
		return 0, err
	}
	inspector, err := tree.Inspect()
	if err != nil {
		return 0, err
	}
	buckets := map[string]pages.Bucket{}
	for _, name := range names {
		if buckets[name], err = tree.Bucket([]byte(name)); err != nil {
			return 0, err
		}
		if _, err = inspector.Bucket([]byte(name)); err != nil {
			return 0, err
		}
	}
	for key, size := range keys {
		bucket, key, _ := strings.Cut(key, "/")
		if err := inspector.Key(buckets[bucket], []byte(key)); err != nil {
			return found, err
		}
		value, err := tree.Get(buckets[bucket], []byte(key))
		if err != nil {
			return found, err
		}
		if value != nil && len(value) == size {
			found++
		}
	}
	return found, nil
}

func TestTreeFindsEveryKey(t *testing.T) {
	b := sample(t, 3000)
	keys, err := walk(b)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := lookUp(b, keys); found != len(keys) || err != nil {
		t.Errorf("%d of %d keys, %v", found, len(keys), err)
	}
	tree, err := pages.NewTree(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		bucket, err := tree.Bucket([]byte(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"", "00000000x", "zzz", "00002999x"} {
			if value, err := tree.Get(bucket, []byte(key)); value != nil || err != nil {
				t.Errorf("%s/%s: %d bytes, %v; want none", name, key, len(value), err)
			}
		}
	}
	if _, err := tree.Bucket([]byte("nobody")); !errors.Is(err, pages.ErrDamaged) {
		t.Errorf("a bucket that is not there: %v", err)
	}
}

// TestTreeEndsOnAnyBytes: whatever is done to the pages, looking keys up ends, without a panic, with the value or an error or
// nothing; and a page that leads to itself or its parents is found.
func TestTreeEndsOnAnyBytes(t *testing.T) {
	whole := sample(t, 600)
	keys, err := walk(whole)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := pages.NewTree(whole)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	size := os.Getpagesize()
	found := 0
	for range 1500 {
		b := bytes.Clone(whole)
		page := rng.IntN(int(tree.Info().Pages)-2) + 2
		switch at := page * size; rng.IntN(4) {
		case 0:
			b[at+rng.IntN(200)] ^= 1 << rng.IntN(8)
		case 1:
			binary.LittleEndian.PutUint64(b[at+24+16*rng.IntN(4):], uint64(page))
		case 2:
			binary.LittleEndian.PutUint32(b[at+12:], rng.Uint32())
		case 3:
			binary.LittleEndian.PutUint16(b[at+8:], 1) // a leaf or free page becomes a branch
			binary.LittleEndian.PutUint16(b[at+10:], 1)
			binary.LittleEndian.PutUint64(b[at+24:], uint64(page))
		}
		if _, err := lookUp(b, keys); err != nil {
			if !errors.Is(err, pages.ErrDamaged) {
				t.Fatalf("%v is not ErrDamaged", err)
			}
			found++
		}
	}
	if found < 300 {
		t.Errorf("only %d of 1500 changes were found", found)
	}
}

// TestWrongEntriesAreFound changes each page a little, so that bbolt would see fewer entries, other ones, or a bucket instead of a value, and all would still
// be in order.
func TestWrongEntriesAreFound(t *testing.T) {
	whole := sample(t, 600)
	keys, err := walk(whole)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	for what, change := range map[string]func(page []byte){
		"kind":   func(page []byte) { page[16] ^= 1 },
		"fewer":  func(page []byte) { le.PutUint16(page[10:], le.Uint16(page[10:])-1) },
		"none":   func(page []byte) { le.PutUint16(page[10:], 0) },
		"length": func(page []byte) { page[28]-- },
	} {
		t.Run(what, func(t *testing.T) {
			found := 0
			for at := 2 * os.Getpagesize(); at < len(whole); at += os.Getpagesize() {
				b := bytes.Clone(whole)
				page := b[at:]
				if le.Uint16(page[8:]) != 2 || le.Uint16(page[10:]) < 2 {
					continue
				}
				clear(page[:16])
				if _, err := walk(b); err == nil {
					continue // it is free
				}
				copy(page, whole[at:at+16])
				change(page)
				found++
				if _, err := walk(b); !errors.Is(err, pages.ErrDamaged) {
					t.Errorf("page %d: %v; want ErrDamaged", at/os.Getpagesize(), err)
				}
				if _, err := lookUp(b, keys); !errors.Is(err, pages.ErrDamaged) {
					t.Errorf("page %d, looked up: %v; want ErrDamaged", at/os.Getpagesize(), err)
				}
			}
			if found < 10 {
				t.Errorf("only %d leaves were changed", found)
			}
		})
	}
}

// TestWalkAs walks a state that the file has left behind meanwhile.
func TestWalkAs(t *testing.T) {
	b := sample(t, 300)
	tree, err := pages.NewTree(b)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	later := bytes.Clone(b)
	clear(later[:2*os.Getpagesize()]) // the meta pages of a later state say something else
	err = pages.WalkAs(bytes.NewReader(later), tree.Info(), func(_, _, _ []byte) error { n++; return nil })
	if keys, _ := walk(b); err != nil || n != len(keys) {
		t.Errorf("%d keys, %v; want %d", n, err, len(keys))
	}
}

func FuzzTree(f *testing.F) {
	b := sample(f, 40)
	keys, err := walk(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint32(4096*3+8), byte(7))
	f.Add(b, uint32(4096*4+24), byte(4))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, x byte) {
		if len(b) > 0 {
			b = bytes.Clone(b)
			b[int(at)%len(b)] ^= x
		}
		_, _ = lookUp(b, keys)
	})
}

func BenchmarkGet(b *testing.B) {
	whole := sample(b, 30000)
	tree, err := pages.NewTree(whole)
	if err != nil {
		b.Fatal(err)
	}
	bucket, err := tree.Bucket([]byte("records"))
	if err != nil {
		b.Fatal(err)
	}
	key := fmt.Appendf(nil, "%08d", 12345)
	for b.Loop() {
		if _, err := tree.Get(bucket, key); err != nil {
			b.Fatal(err)
		}
	}
}
