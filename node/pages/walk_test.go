package pages_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/pages"
	"go.etcd.io/bbolt"
)

// sample makes a bbolt file with history: overflow, deleted keys, an inline and an empty bucket.
func sample(t testing.TB, records int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	update := func(fn func(*bbolt.Tx) error) {
		t.Helper()
		if err := db.Update(fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"edges", "empty", "meta", "records"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("meta")).Put([]byte("lsn"), []byte("12345678"))
	})
	for round := range 4 {
		update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("records"))
			for i := round; i < records; i += 3 {
				if err := b.Put(fmt.Appendf(nil, "%08d", i), bytes.Repeat([]byte{byte(i)}, 50+i%300)); err != nil {
					return err
				}
			}
			for i := round; i < records; i += 17 {
				if err := b.Delete(fmt.Appendf(nil, "%08d", i)); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte("edges")).Put(fmt.Appendf(nil, "big%d", round), make([]byte, 20000))
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func walk(b []byte) (map[string]int, error) {
	seen := map[string]int{}
	_, err := pages.Walk(bytes.NewReader(b), int64(len(b)), func(bucket, key, value []byte) error {
		seen[string(bucket)+"/"+string(key)] = len(value)
		return nil
	})
	return seen, err
}

func TestWalkSeesWhatBboltSees(t *testing.T) {
	b := sample(t, 3000)
	got, err := walk(b)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := 0
	if err := db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bk *bbolt.Bucket) error {
			return bk.ForEach(func(k, v []byte) error {
				want++
				if n, ok := got[string(name)+"/"+string(k)]; !ok || n != len(v) {
					t.Errorf("%s/%s: %d bytes, there %v; want %d", name, k, n, ok, len(v))
				}
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != want {
		t.Errorf("%d entries; want %d", len(got), want)
	}
}

// TestNothingThatBboltWritesIsDamaged has buckets grow, shrink and run empty, in trees of several levels, and looks at each state.
func TestNothingThatBboltWritesIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bolt.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, PageSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	model := map[string]int{}
	for round := range 400 {
		fill := []float64{0.1, 0.5, 0.9, 1}[rng.IntN(4)]
		keep, size := rng.IntN(4), []int{0, 3, 100, 3000}[rng.IntN(4)]
		err := db.Update(func(tx *bbolt.Tx) error {
			for _, name := range names {
				b, err := tx.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				b.FillPercent = fill
				for range rng.IntN(60) {
					key := fmt.Sprintf("%04d", rng.IntN(400))
					model[name+"/"+key] = size
					if err := b.Put([]byte(key), make([]byte, size)); err != nil {
						return err
					}
				}
				for i := 0; keep == 0 && i < 400 || keep == 1 && i < 200; i++ { // all goes, or half
					key := fmt.Sprintf("%04d", i)
					delete(model, name+"/"+key)
					if err := b.Delete([]byte(key)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := walk(b); err != nil || !maps.Equal(got, model) {
			t.Fatalf("round %d: %v, %d entries; want %d", round, err, len(got), len(model))
		}
		if found, err := lookUp(b, model); err != nil || found != len(model) {
			t.Fatalf("round %d, looked up: %v, %d entries; want %d", round, err, found, len(model))
		}
	}
}

// TestNoFlipPanics flips bits everywhere: the walk ends, with an error or with the same keys. What it cannot
// know are bits of keys and values themselves that keep their order; these have checksums of their own.
func TestNoFlipPanics(t *testing.T) {
	whole := sample(t, 600)
	want, err := walk(whole)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 1500 {
		b := bytes.Clone(whole)
		page := rng.IntN(len(b) / os.Getpagesize())
		b[page*os.Getpagesize()+rng.IntN(200)] ^= 1 << rng.IntN(8)
		got, err := walk(b)
		if err != nil {
			if !errors.Is(err, pages.ErrDamaged) {
				t.Fatalf("%v is not ErrDamaged", err)
			}
			found++
		} else if len(got) != len(want) {
			t.Fatalf("%d of %d keys, and no error", len(got), len(want))
		}
	}
	if found < 200 {
		t.Errorf("only %d of 1500 flips were found", found)
	}
}

func FuzzWalk(f *testing.F) {
	b := sample(f, 40)
	f.Add(b, uint32(4096*3+8), byte(7))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, x byte) {
		if len(b) > 0 {
			b = bytes.Clone(b)
			b[int(at)%len(b)] ^= x
		}
		_, _ = walk(b)
	})
}
