package vector_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
)

// A busyWriter lets something happen before each write.
type busyWriter struct {
	bytes.Buffer
	before func()
}

func (w *busyWriter) Write(b []byte) (int, error) {
	b = bytes.Clone(b) // what is taken must not change any more
	w.before()
	return w.Buffer.Write(b)
}

func aside(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestCopyIsOfOneMoment overwrites, adds and deletes vectors, and checkpoints, at every step of a copy: it has what the
// checkpoint before it left.
func TestCopyIsOfOneMoment(t *testing.T) {
	w := newWorld(t, vector.Options{})
	if c := w.BeginCopy(nil); c != nil {
		t.Errorf("a copy of nothing: %v", c)
	}
	rng := rand.New(rand.NewPCG(6, 6))
	const dim, n = 1000, 1500 // some steps of 1 MiB
	w.fill(rng, n, dim)
	w.checkpoint()
	want, lsn := maps.Clone(w.want), w.lsn
	w.put(1, random(rng, dim)) // not in the file when the copy begins
	c := w.BeginCopy(aside(t))
	defer c.Close()
	steps := 0
	out := busyWriter{before: func() {
		steps++
		for range 40 {
			w.put(record.Ord(rng.IntN(n*5/4)+1), random(rng, dim))
		}
		w.remove(record.Ord(rng.IntN(n) + 1))
		w.checkpoint()
	}}
	if size, err := c.WriteTo(&out); err != nil || size != int64(out.Len()) || steps < 5 {
		t.Fatalf("%d bytes, %v, in %d steps", size, err, steps)
	}
	w.check()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vectors"), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newWorld(t, vector.Options{})
	r.want, r.lsn, r.opts.Dir = want, lsn, dir
	r.again(nil)
	r.check()
	if s := r.Stats(); s.Damaged > 0 {
		t.Errorf("%d vectors of the copy are damaged", s.Damaged)
	}
}

type fullAside struct{ *os.File }

var errFull = errors.New("full")

func (fullAside) WriteAt([]byte, int64) (int, error) { return 0, errFull }

// TestACopyThatFailsHindersNoCheckpoint: what cannot be put aside ends the copy, and nothing else.
func TestACopyThatFailsHindersNoCheckpoint(t *testing.T) {
	w := newWorld(t, vector.Options{})
	rng := rand.New(rand.NewPCG(7, 7))
	w.fill(rng, 50, 9)
	w.checkpoint()
	c := w.BeginCopy(fullAside{aside(t)})
	defer c.Close()
	w.fill(rng, 50, 9)
	w.checkpoint()
	if _, err := c.WriteTo(&bytes.Buffer{}); !errors.Is(err, errFull) {
		t.Errorf("copy: %v", err)
	}
	w.check()
}
