package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/store"
)

// stocked returns a space with 200,000 memories of 1 KiB in its base.
func stocked(b *testing.B) *store.Space {
	l := live(b, b.TempDir(), func(o *store.Options) {
		o.WAL.SegmentBytes, o.MapBytes = 64<<20, 64<<30
		o.MemtableBytes = 1 << 30
	})
	s := l.space("default")
	text := strings.Repeat("x", 1024)
	for from := 0; from < 200_000; from += 1000 {
		var changes []store.Change
		for i := range 1000 {
			changes = append(changes, put(fmt.Sprint("m", from+i), text))
		}
		if _, err := s.Apply(b.Context(), changes); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkCompact(b *testing.B) {
	s := stocked(b)
	_, used, err := s.Size()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(used)
	for b.Loop() {
		if _, _, err := s.Compact(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScrub(b *testing.B) {
	s := stocked(b)
	_, used, err := s.Size()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(used)
	for b.Loop() {
		if _, err := s.Scrub(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
	}
}
