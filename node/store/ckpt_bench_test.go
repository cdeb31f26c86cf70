package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/store"
)

// BenchmarkCheckpoint tells how many records of 1 KiB a second go from the memtable into the base.
func BenchmarkCheckpoint(b *testing.B) {
	l := live(b, b.TempDir(), func(o *store.Options) {
		o.WAL.SegmentBytes, o.MapBytes = 64<<20, 64<<30
		o.MemtableBytes, o.CheckpointBytes = 1<<40, 1<<40
	})
	s := l.space("default")
	text := strings.Repeat("x", 1024)
	const records = 50_000
	n := 0
	for b.Loop() {
		b.StopTimer()
		for range records / 1000 {
			var changes []store.Change
			for range 1000 {
				changes = append(changes, put(fmt.Sprint("m", n), text))
				n++
			}
			if _, err := s.Apply(b.Context(), changes); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if err := l.Checkpoint(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
