package wal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/wal"
	"golang.org/x/sys/unix"
)

// A blob is a group of one entry of 1 KiB.
type blob [1024]byte

func (b *blob) Size() int { return len(b) }

func (b *blob) Place(_ uint64, dst []byte) ([]byte, int) { return append(dst, b[:]...), 1 }

// BenchmarkAppend tells entries a second for a number of writers, and beside it ("bare") how many a loop
// without any log would make durable that writes the same batches with one write and one fdatasync each.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 128, 1024} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			fsys, err := disk.NewOS(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			l, _, err := wal.Open(wal.Options{FS: fsys}, 0, deaf{}, func(wal.Batch) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			running(b, l)
			if err := l.Append(b.Context(), new(blob)); err != nil {
				b.Fatal(err)
			}
			before := l.Stats()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					g := new(blob)
					for i := w; i < b.N; i += writers {
						if err := l.Append(b.Context(), g); err != nil {
							b.Error(err)
							return
						}
						if i%4096 == 0 {
							if err := l.Release(l.Durable()); err != nil {
								b.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			after := l.Stats()
			batches := int(after.Batches - before.Batches)
			size := int(after.WrittenBytes-before.WrittenBytes) / batches
			b.ReportMetric(rate, "entries/s")
			b.ReportMetric(float64(b.N)/float64(batches), "entries/batch")
			bare := bareLoop(b, batches, size)
			b.ReportMetric(rate/(bare*float64(b.N)/float64(batches)), "of_bare")
		})
	}
}

// bareLoop writes n batches into a zeroed file and returns batches a second.
func bareLoop(b *testing.B, n, size int) float64 {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const room = 64 << 20
	if _, err := f.Write(make([]byte, room)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, size)
	begin := time.Now()
	off := int64(0)
	for range n {
		if off+int64(size) > room {
			off = 0
		}
		if _, err := f.WriteAt(buf, off); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		off += int64(size)
	}
	return float64(n) / time.Since(begin).Seconds()
}
