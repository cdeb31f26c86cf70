package vector_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
)

// TestFlips flips bits of slots: each flip that matters is found, told, and never served, by whatever reads first.
func TestFlips(t *testing.T) {
	const dim, n = 24, 400
	rng := rand.New(rand.NewPCG(3, 3))
	w := newWorld(t, vector.Options{})
	w.fill(rng, n, dim)
	w.checkpoint()
	flipped := map[record.Ord]bool{}
	w.again(func() {
		change(t, w.opts.Dir, func(b []byte) []byte {
			for len(flipped) < 60 {
				ord := record.Ord(1 + rng.IntN(n))
				at := vector.Offset(dim, uint32(ord)) + rng.Int64N(32+4*dim)
				if !flipped[ord] {
					b[at] ^= 1 << rng.IntN(8)
					flipped[ord] = true
				}
			}
			return b
		})
	})
	r, err := w.Search(t.Context(), vector.Query{Vector: random(rng, dim), K: n})
	if err != nil || len(r.Hits) != n-len(flipped) {
		t.Fatalf("%d hits, %v; want %d", len(r.Hits), err, n-len(flipped))
	}
	for _, h := range r.Hits {
		if flipped[h.Ord] {
			t.Errorf("damaged %d was found", h.Ord)
		}
	}
	for ord, want := range w.want {
		got, err := w.get(ord)
		if flipped[ord] != errors.Is(err, record.ErrCorrupt) || !flipped[ord] && !slices.Equal(got, want.vector) {
			t.Errorf("vector of %d (flipped: %v): %v, %v", ord, flipped[ord], got, err)
		}
	}
	if s := w.Stats(); s.Damaged != len(flipped) || len(w.Faults()) != len(flipped) {
		t.Errorf("%d damaged, %d faults; want %d", s.Damaged, len(w.Faults()), len(flipped))
	}
	for ord := range flipped {
		w.put(ord, random(rng, dim))
	}
	w.checkpoint()
	w.again(nil)
	w.check()
}

// TestFlipsBehindItsBack flips bits of slots that were found whole before: a scrub finds them, and so does a search that would
// return one.
func TestFlipsBehindItsBack(t *testing.T) {
	const dim = 8
	w := newWorld(t, vector.Options{})
	w.fill(rand.New(rand.NewPCG(3, 3)), 10, dim)
	w.checkpoint()
	w.check()
	f, err := os.OpenFile(filepath.Join(w.opts.Dir, "vectors"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flip := func(ord uint32) {
		b := make([]byte, 1)
		at := vector.Offset(dim, ord) + 32 + 7
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	flip(4)
	flip(7)
	r, err := w.Search(t.Context(), vector.Query{Vector: w.want[4].vector, K: 9})
	if err != nil || len(r.Hits) != 8 || slices.ContainsFunc(r.Hits, func(h vector.Hit) bool { return h.Ord == 4 || h.Ord == 7 }) {
		t.Errorf("%+v, %v", r, err)
	}
	flip(9)
	read, found, err := w.Scrub(t.Context())
	if read != 8 || found != 1 || err != nil || w.Stats().Damaged != 3 {
		t.Errorf("scrub read %d, found %d, %v", read, found, err)
	}
}

// TestATruncatedFileIsAnError where a plain read of the map would kill the process.
func TestATruncatedFileIsAnError(t *testing.T) {
	for _, checked := range []bool{false, true} {
		for _, size := range []int64{0, 8192, vector.Offset(768, 300)} {
			w := newWorld(t, vector.Options{})
			w.fill(rand.New(rand.NewPCG(3, 3)), 600, 768)
			w.checkpoint()
			if checked {
				w.check()
			} else {
				w.again(nil)
			}
			if err := os.Truncate(filepath.Join(w.opts.Dir, "vectors"), size); err != nil {
				t.Fatal(err)
			}
			r, err := w.Search(t.Context(), vector.Query{Vector: w.want[1].vector, K: 1000})
			if err != nil || len(r.Hits) >= 303 || len(r.Hits) != 600-w.Stats().Damaged {
				t.Errorf("checked %v, %d bytes: %d hits, %+v, %v", checked, size, len(r.Hits), w.Stats(), err)
			}
			if _, err := w.get(599); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("beyond the end: %v", err)
			}
		}
	}
}

func TestAFileThatIsNotOneIsSetAside(t *testing.T) {
	for name, spoil := range map[string]func(b []byte) []byte{
		"both headers": func(b []byte) []byte { b[9]++; b[4096+9]++; return b },
		"empty":        func([]byte) []byte { return nil },
		"short":        func(b []byte) []byte { return b[:20] },
		"other":        func([]byte) []byte { return bytes.Repeat([]byte("text"), 5000) },
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 3))
			w := newWorld(t, vector.Options{})
			w.fill(rng, 10, 8)
			w.checkpoint()
			w.again(func() { change(t, w.opts.Dir, spoil) })
			if _, err := os.Stat(filepath.Join(w.opts.Dir, "vectors.damaged")); err != nil || len(w.Faults()) == 0 {
				t.Errorf("not set aside: %v, %v", err, w.Faults())
			}
			if r, err := w.Search(t.Context(), vector.Query{Vector: random(rng, 8), K: 3}); err != nil || len(r.Hits) != 0 || w.Stats().Damaged != 10 {
				t.Errorf("%+v, %v, %+v", r, err, w.Stats())
			}
			w.fill(rng, 10, 8)
			w.checkpoint()
			w.again(nil)
			w.check()
		})
	}
	w := newWorld(t, vector.Options{})
	w.fill(rand.New(rand.NewPCG(3, 3)), 10, 8)
	w.checkpoint()
	w.again(func() { change(t, w.opts.Dir, func(b []byte) []byte { b[9]++; return b }) })
	w.check() // the second copy is enough
}

func TestAVectorThatDoesNotBelongHere(t *testing.T) {
	w := newWorld(t, vector.Options{})
	w.put(1, []float32{1, 2})
	w.put(2, []float32{1, 2, 3})
	if _, err := w.get(2); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("of another dimension: %v", err)
	}
	delete(w.want, 2)
	w.remove(2)
	w.checkpoint()
	w.check()
}

func FuzzHeader(f *testing.F) {
	f.Add(vector.Header(768))
	f.Add(vector.Header(1)[:40])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		dim, err := vector.ReadHeader(b)
		switch {
		case err != nil && !errors.Is(err, record.ErrCorrupt):
			t.Error(err)
		case err == nil && (dim < 1 || dim > record.MaxDimension):
			t.Errorf("dimension %d", dim)
		}
	})
}
