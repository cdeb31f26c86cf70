package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"golang.org/x/sys/unix"
)

// BenchmarkRemember tells durable memories of 1 KiB a second for a number of writers (records/s), and how that
// compares with a bare loop that writes and fdatasyncs batches of the same bytes (of_bare). The two take turns of a
// quarter of a second, so that a disk whose speed changes does not decide.
func BenchmarkRemember(b *testing.B) {
	for _, writers := range []int{1, 16, 128, 1024} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) { benchRemember(b, writers) })
	}
}

func benchRemember(b *testing.B, writers int) {
	n, _ := running(b, node.Options{DataDir: b.TempDir()})
	if _, err := n.Remember(b.Context(), "default", node.Memory{Content: "first"}); err != nil {
		b.Fatal(err)
	}
	bare := newBareLoop(b)
	content := strings.Repeat("x", 1024)
	var left atomic.Int64
	left.Store(int64(b.N))
	var ours, theirs float64 // seconds for the same number of batches
	var batches uint64
	b.ResetTimer()
	for left.Load() > 0 {
		at := n.Store().Stats().WAL
		begin := time.Now()
		turn(b, n, writers, content, &left, begin.Add(250*time.Millisecond))
		ours += time.Since(begin).Seconds()
		b.StopTimer()
		now := n.Store().Stats().WAL
		k := now.Batches - at.Batches
		theirs += bare.write(b, int(k), int((now.WrittenBytes-at.WrittenBytes)/max(1, k)))
		batches += k
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/ours, "records/s")
	b.ReportMetric(float64(b.N)/float64(batches), "records/batch")
	b.ReportMetric(theirs/ours, "of_bare")
	b.ReportMetric(float64(n.Store().Stats().WAL.DiskBytes)/(1<<20), "wal_MiB")
}

// turn lets writers remember until the time is over.
func turn(b *testing.B, n *node.Node, writers int, content string, left *atomic.Int64, until time.Time) {
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for time.Now().Before(until) && left.Add(-1) >= 0 {
				if _, err := n.Remember(b.Context(), "default", node.Memory{Content: content}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A bareLoop is what a disk can do without any node above it.
type bareLoop struct {
	f   *os.File
	off int64
}

const bareRoom = 64 << 20

func newBareLoop(b *testing.B) *bareLoop {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	if _, err := f.Write(make([]byte, bareRoom)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return &bareLoop{f: f}
}

// write writes and syncs n batches and returns the seconds that it took.
func (l *bareLoop) write(b *testing.B, n, size int) float64 {
	buf := make([]byte, size)
	begin := time.Now()
	for range n {
		if l.off+int64(size) > bareRoom {
			l.off = 0
		}
		if _, err := l.f.WriteAt(buf, l.off); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(l.f.Fd())); err != nil {
			b.Fatal(err)
		}
		l.off += int64(size)
	}
	return time.Since(begin).Seconds()
}

// BenchmarkOpen tells how long it takes until a node with 100,000 memories of 200 bytes answers, after a clean end.
// ENGRAMD_BENCH_MEMORIES sets another number.
func BenchmarkOpen(b *testing.B) {
	memories := 100_000
	if s := os.Getenv("ENGRAMD_BENCH_MEMORIES"); s != "" {
		var err error
		if memories, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	opts := node.Options{DataDir: b.TempDir()}
	n, stop := running(b, opts)
	id := ""
	for i := 0; i < memories; {
		var ms []node.Memory
		for range min(1000, memories-i) {
			ms = append(ms, node.Memory{Content: strings.Repeat("x", 200)})
			i++
		}
		rs, err := n.RememberAll(b.Context(), "default", ms)
		if err != nil {
			b.Fatal(err)
		}
		id = rs[0].ID
	}
	stop()
	for b.Loop() {
		n, err := node.Open(opts)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := n.Get(b.Context(), "default", id); err != nil {
			b.Fatal(err)
		}
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
