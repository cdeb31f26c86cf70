package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/engramd/engramd/node"
)

// TestFlippedBits flips a bit of one memory where it is stored, by turns in its value, its vector and the log: that memory alone is
// damaged and told as such, and all others are what they were.
func TestFlippedBits(t *testing.T) {
	const memories = 60
	contentOf := func(i int) string { return fmt.Sprintf("the content of number %03d", i) }
	vectorOf := func(i int) []float32 { return []float32{float32(i) + 0.25, 3, 5, 7} }
	for _, place := range []string{"value", "vector", "log"} {
		for seed := range uint64(5) {
			t.Run(fmt.Sprint(place, " ", seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				dir := t.TempDir()
				n, stop := running(t, small(dir))
				var ms []node.Memory
				for i := range memories {
					ms = append(ms, node.Memory{ID: fmt.Sprint("m", i), Content: contentOf(i), Vector: vectorOf(i)})
				}
				if _, err := n.RememberAll(t.Context(), "default", ms[:memories/2]); err != nil {
					t.Fatal(err)
				}
				if err := n.Store().Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				victim := rng.IntN(memories / 2)
				if place == "log" { // what only the log has, in a copy as a killed process leaves it
					stop()
					opts := small(dir)
					opts.Store.CheckpointBytes, opts.Store.CheckpointEvery = 1<<30, 1<<40
					n, stop = running(t, opts)
					for _, m := range ms[memories/2:] {
						if _, err := n.Remember(t.Context(), "default", m); err != nil {
							t.Fatal(err)
						}
					}
					victim = memories/2 + rng.IntN(memories/2-1) // the last one would be torn, and nobody's loss
					dir = copied(t, dir)
				}
				stop()
				flipOne(t, rng, dir, place, contentOf(victim), vectorOf(victim))
				n, _ = running(t, small(dir))
				if holes := n.Store().Stats().Recovery.Holes; (len(holes) > 0) != (place == "log") {
					t.Errorf("holes in the log: %v", holes)
				}
				for i, m := range ms {
					got, err := n.Get(t.Context(), "default", m.ID)
					whole := err == nil && got.Content == m.Content && slices.Equal(got.Vector, m.Vector)
					switch {
					case i >= memories/2 && place != "log":
					case i == victim && place == "log" && !errors.Is(err, node.ErrNotFound):
						t.Errorf("%s, which the log lost: %v, %v", m.ID, got, err)
					case i == victim && place != "log" && !errors.Is(err, node.ErrCorrupt):
						t.Errorf("%s, which is damaged: %v, %v; want ErrCorrupt", m.ID, got, err)
					case i != victim && !whole:
						t.Errorf("%s: %v, %v", m.ID, got, err)
					}
				}
			})
		}
	}
}

// copied copies a data directory as a killed process would leave it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	for {
		to := t.TempDir()
		switch err := os.CopyFS(to, os.DirFS(dir)); {
		case err == nil:
			return to
		case !errors.Is(err, os.ErrNotExist): // a log segment got its name meanwhile
			t.Fatal(err)
		}
	}
}

// flipOne flips one bit of the memory that is stored with this content or vector.
func flipOne(t *testing.T, rng *rand.Rand, dir, place, content string, vector []float32) {
	t.Helper()
	pattern, files := []byte(content), "spaces/*/base.db"
	switch place {
	case "vector":
		pattern, files = nil, "spaces/*/vectors"
		for _, x := range vector {
			pattern = append(pattern, floatBytes(x)...)
		}
	case "log":
		files = "wal/*.wal"
	}
	names, err := filepath.Glob(filepath.Join(dir, files))
	if err != nil {
		t.Fatal(err)
	}
	at, bit := rng.IntN(len(pattern)), byte(1)<<rng.IntN(8)
	found := 0
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; {
			j := bytes.Index(b[i:], pattern)
			if j < 0 {
				break
			}
			b[i+j+at] ^= bit
			found++
			i += j + len(pattern)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Fatalf("%q is not in %v", content, names)
	}
}

func floatBytes(x float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)) }
