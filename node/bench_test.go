package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/disk"
	"golang.org/x/sys/unix"
)

// turnTime is how long writers write before the bare loop has its turn: several checkpoints' time for many writers.
const turnTime = 2 * time.Second

// BenchmarkRemember tells durable memories of 1 KiB a second for a number of writers (records/s), how that compares
// with a bare loop that writes and fdatasyncs as many batches of the same size (of_bare), and what a record costs of all
// cores, its checkpoint included. The two take turns, so that a disk whose speed changes does not decide; the bare loop's
// begins when the checkpoint is through, and nothing disturbs it.
//
// ENGRAMD_BENCH_SYNC=500us makes each fdatasync of the log and of the bare loop take that much longer: where the disk answers
// out of its cache, it says what is left on one that does not.
func BenchmarkRemember(b *testing.B) {
	for _, writers := range []int{1, 16, 128, 1024} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) { benchRemember(b, writers) })
	}
}

func benchRemember(b *testing.B, writers int) {
	opts := node.Options{DataDir: b.TempDir()}
	sync := benchDuration(b, "ENGRAMD_BENCH_SYNC")
	if sync > 0 {
		fsys, err := disk.NewOS(opts.DataDir)
		if err != nil {
			b.Fatal(err)
		}
		defer fsys.Close()
		opts.Store.WAL.FS = disk.Slow{FS: fsys, Delay: sync}
	}
	n, _ := running(b, opts)
	if _, err := n.Remember(b.Context(), "default", node.Memory{Content: "first"}); err != nil {
		b.Fatal(err)
	}
	bare := newBareLoop(b, sync)
	content := strings.Repeat("x", 1024)
	var left atomic.Int64
	left.Store(int64(b.N))
	var ours, theirs float64 // seconds for the same number of batches
	var batches uint64
	var largest int64
	b.ResetTimer()
	cpu := cpuTime(unix.RUSAGE_SELF)
	for left.Load() > 0 {
		at := n.Store().Stats().WAL
		begin := time.Now()
		turn(b, n, writers, content, &left, begin.Add(turnTime))
		ours += time.Since(begin).Seconds()
		now := n.Store().Stats().WAL
		b.StopTimer()
		if err := n.Store().Checkpoint(b.Context()); err != nil {
			b.Fatal(err)
		}
		k := now.Batches - at.Batches
		theirs += bare.write(b, int(k), int((now.WrittenBytes-at.WrittenBytes)/max(1, k)))
		batches, largest = batches+k, max(largest, now.DiskBytes)
		b.StartTimer()
	}
	cpu = cpuTime(unix.RUSAGE_SELF) - cpu - bare.cpu
	b.StopTimer()
	b.ReportMetric(float64(b.N)/ours, "records/s")
	b.ReportMetric(float64(b.N)/float64(batches), "records/batch")
	b.ReportMetric(theirs/ours, "of_bare")
	b.ReportMetric(float64(cpu.Nanoseconds())/1000/float64(b.N), "cpu_µs/record")
	b.ReportMetric(float64(largest)/(1<<20), "wal_MiB")
}

// turn lets writers remember until the time is over.
func turn(b *testing.B, n *node.Node, writers int, content string, left *atomic.Int64, until time.Time) {
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(b.Context()) // each its own, as each request has
			defer cancel()
			for time.Now().Before(until) && left.Add(-1) >= 0 {
				if _, err := n.Remember(ctx, "default", node.Memory{Content: content}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// cpuTime is what the process or the thread used of the cores so far.
func cpuTime(who int) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func benchDuration(b *testing.B, name string) time.Duration {
	s := os.Getenv(name)
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return d
}

// A bareLoop is what a disk can do without any node above it.
type bareLoop struct {
	f    *os.File
	off  int64
	sync time.Duration
	cpu  time.Duration // used so far
}

const bareRoom = 64 << 20

func newBareLoop(b *testing.B, sync time.Duration) *bareLoop {
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
	return &bareLoop{f: f, sync: sync}
}

// write writes and syncs n batches and returns the seconds that it took.
func (l *bareLoop) write(b *testing.B, n, size int) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	buf := bytes.Repeat([]byte{'x'}, size)
	cpu := cpuTime(unix.RUSAGE_THREAD)
	begin := time.Now()
	for range n {
		if l.off+int64(size) > bareRoom {
			l.off = 0
		}
		if _, err := l.f.WriteAt(buf, l.off); err != nil {
			b.Fatal(err)
		}
		disk.Rest(l.sync)
		if err := unix.Fdatasync(int(l.f.Fd())); err != nil {
			b.Fatal(err)
		}
		l.off += int64(size)
	}
	l.cpu += cpuTime(unix.RUSAGE_THREAD) - cpu
	return time.Since(begin).Seconds()
}

// BenchmarkOpen tells how long it takes until a node with 100,000 memories of 200 bytes, with ten edges each, answers: after a clean end,
// and after a kill with a memtable that is full. ENGRAMD_BENCH_MEMORIES sets another number. import_s is how long it took to bring them
// in.
func BenchmarkOpen(b *testing.B) {
	memories := benchNumber(b, "ENGRAMD_BENCH_MEMORIES", 100_000)
	opts := node.Options{DataDir: b.TempDir()}
	n, stop := running(b, opts)
	begin := time.Now()
	ids := importMemories(b, n, memories)
	importLinks(b, n, ids, 10)
	imported := time.Since(begin).Seconds()
	stop()
	b.Run("clean", func(b *testing.B) {
		benchOpen(b, opts, ids[0])
		b.ReportMetric(imported, "import_s")
	})
	b.Run("killed", func(b *testing.B) {
		full := opts
		full.Store.CheckpointBytes, full.Store.CheckpointEvery = 1<<40, time.Hour
		n, _ := running(b, full)
		for n.Store().Stats().MemtableBytes < 250<<20 {
			importMemories(b, n, 10_000)
		}
		killed := node.Options{DataDir: b.TempDir()}
		if err := os.CopyFS(killed.DataDir, os.DirFS(full.DataDir)); err != nil {
			b.Fatal(err)
		}
		benchOpen(b, killed, ids[0])
	})
}

func benchOpen(b *testing.B, opts node.Options, id string) {
	for b.Loop() {
		n, err := node.Open(opts)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := n.Get(b.Context(), "default", id); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
		n = nil
		runtime.GC() // what the last one left is not the next one's burden
		b.StartTimer()
	}
}

// importMemories brings in memories of 200 bytes, and returns their ids.
func importMemories(b *testing.B, n *node.Node, memories int) []string {
	ids := make([]string, 0, memories)
	for len(ids) < memories {
		ms := make([]node.Memory, min(1000, memories-len(ids)))
		for i := range ms {
			ms[i].Content = fmt.Sprintf("%0200d", len(ids)+i)
		}
		rs, err := n.RememberAll(b.Context(), "default", ms)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range rs {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// importLinks links each memory with others, chosen at random.
func importLinks(b *testing.B, n *node.Node, ids []string, degree int) {
	rng := rand.New(rand.NewPCG(3, 3))
	edges := make([]node.Edge, 0, 10_000)
	for i, from := range ids {
		for range degree {
			to := rng.IntN(len(ids) - 1)
			if to >= i {
				to++
			}
			edges = append(edges, node.Edge{From: from, To: ids[to], Weight: node.Weight(1 + rng.IntN(10_000))})
		}
		if len(edges) < cap(edges) && i < len(ids)-1 {
			continue
		}
		errs, err := n.Link(b.Context(), "default", edges)
		if err := errors.Join(append(errs, err)...); err != nil {
			b.Fatal(err)
		}
		edges = edges[:0]
	}
}

func benchNumber(b *testing.B, name string, otherwise int) int {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return n
}
