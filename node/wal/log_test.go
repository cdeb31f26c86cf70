package wal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/engramd/engramd/node/wal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A note is a group of entries of 12 bytes: a number and what the number says, n times.
type note struct {
	number uint64
	count  int
	lsn    uint64
}

func (n *note) Size() int { return n.count * 12 }

func (n *note) Place(lsn uint64, dst []byte) ([]byte, int) {
	n.lsn = lsn
	for i := range n.count {
		dst = binary.LittleEndian.AppendUint64(dst, n.number)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n.number)^uint32(i))
	}
	return dst, n.count
}

type deaf struct{}

func (deaf) Begin()  {}
func (deaf) Commit() {}
func (deaf) Abort()  {}

// A reading is what recovery replayed: numbers by LSN.
type reading map[uint64]uint64

func (r reading) replay(b wal.Batch) error {
	if len(b.Entries) != 12*b.Count {
		return fmt.Errorf("batch of %d entries has %d bytes", b.Count, len(b.Entries))
	}
	for i := range b.Count {
		r[b.First+uint64(i)] = binary.LittleEndian.Uint64(b.Entries[12*i:])
	}
	return nil
}

func open(t testing.TB, fsys disk.FS, segment int64) (*wal.Log, reading, wal.Report) {
	t.Helper()
	r := reading{}
	l, report, err := wal.Open(wal.Options{FS: fsys, SegmentBytes: segment, Retry: time.Millisecond}, 0, deaf{}, r.replay)
	if err != nil {
		t.Fatal(err)
	}
	return l, r, report
}

// running runs l until the test or stop ends it.
func running(t testing.TB, l *wal.Log) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := errors.Join(<-done, l.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func TestWhatIsAnsweredIsFoundAgain(t *testing.T) {
	fsys, err := disk.NewOS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, _, _ := open(t, fsys, 8<<10)
	stop := running(t, l)
	var mu sync.Mutex
	want := reading{}
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(50) {
				n := &note{number: w*1000 + i, count: 1 + int(i%3)}
				if err := l.Append(t.Context(), n); err != nil {
					t.Error(err)
				}
				mu.Lock()
				for i := range n.count {
					want[n.lsn+uint64(i)] = n.number
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stop()
	l, got, report := open(t, fsys, 8<<10)
	defer l.Close()
	same(t, want, got)
	if len(report.Holes) > 0 {
		t.Errorf("holes: %v", report.Holes)
	}
	if report.LastLSN != uint64(len(want)) {
		t.Errorf("last LSN %d; want %d", report.LastLSN, len(want))
	}
}

func same(t *testing.T, want, got reading) {
	t.Helper()
	for lsn, n := range want {
		if got[lsn] != n {
			t.Errorf("LSN %d: %d was answered, %d found", lsn, n, got[lsn])
		}
	}
}

// TestEveryCut writes through several segments and a restart, and cuts the power after every single
// operation, several times.
func TestEveryCut(t *testing.T) {
	d := powercut.New()
	answered := []struct{ ops, lsn, number uint64 }{}
	released := []struct{ ops, lsn uint64 }{}
	for round := range uint64(3) {
		l, _, _ := open(t, d, 4096)
		stop := running(t, l)
		for i := range uint64(12) {
			n := &note{number: round*100 + i, count: 1 + int(i*7%40)}
			if err := l.Append(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			for k := range n.count {
				answered = append(answered, struct{ ops, lsn, number uint64 }{uint64(d.Ops()), n.lsn + uint64(k), n.number})
			}
			if i == 6 {
				released = append(released, struct{ ops, lsn uint64 }{uint64(d.Ops()), n.lsn - 30})
				if err := l.Release(n.lsn - 30); err != nil {
					t.Fatal(err)
				}
			}
		}
		stop()
	}
	for n := range d.Ops() + 1 {
		for try := range 6 {
			cut := d.Cut(n, rand.New(rand.NewPCG(uint64(n), uint64(try))))
			l, got, report := open(t, cut, 4096)
			if len(report.Holes) > 0 {
				t.Fatalf("cut after %d operations: holes %v in what was only cut", n, report.Holes)
			}
			var floor uint64
			for _, r := range released {
				if uint64(n) >= r.ops {
					floor = r.lsn
				}
			}
			for _, a := range answered {
				if a.ops <= uint64(n) && a.lsn > floor && got[a.lsn] != a.number {
					t.Fatalf("cut after %d operations, try %d: LSN %d was answered with %d and holds %d", n, try, a.lsn, a.number, got[a.lsn])
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestACutDuringRecoveryAndAfterIt cuts twice: what the second recovery finds must still contain all.
func TestACutDuringRecoveryAndAfterIt(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		d := powercut.New()
		want := reading{}
		for round := range uint64(4) {
			l, got, report := open(t, d, 4096)
			same(t, want, got)
			if len(report.Holes) > 0 {
				t.Fatalf("seed %d round %d: %v", seed, round, report.Holes)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			var ops int
			for i := range 1 + rng.IntN(6) {
				n := &note{number: round*100 + uint64(i), count: 1 + rng.IntN(60)}
				if err := l.Append(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				for k := range n.count {
					want[n.lsn+uint64(k)] = n.number
				}
				ops = d.Ops()
			}
			// One more, which nobody is answered for in this life.
			if err := l.Append(t.Context(), &note{number: 9999, count: 80}); err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := errors.Join(<-done, l.Close()); err != nil {
				t.Fatal(err)
			}
			d = d.Cut(ops+rng.IntN(d.Ops()-ops+1), rng)
		}
	}
}

func TestAFlippedBitIsAHole(t *testing.T) {
	d := powercut.New()
	l, _, _ := open(t, d, 8192)
	stop := running(t, l)
	var lsns []uint64
	for i := range uint64(10) {
		n := &note{number: i, count: 5}
		if err := l.Append(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		lsns = append(lsns, n.lsn)
	}
	stop()
	name := firstSegment(d)
	for bit := int64(512 * 8); bit < 2*512*8; bit += 37 {
		c := d.Copy()
		c.Flip(name, bit)
		l, got, report := open(t, c, 8192)
		l.Close()
		padding := bit >= (512+64+60)*8
		if padding != (len(report.Holes) == 0) {
			t.Fatalf("bit %d: holes %v", bit, report.Holes)
		}
		if padding {
			continue
		}
		h := report.Holes[0]
		if h.First != lsns[1] || h.Last != lsns[2]-1 || h.Quarantine == "" {
			t.Fatalf("bit %d: %+v; want LSN %d to %d in quarantine", bit, h, lsns[1], lsns[2]-1)
		}
		for i, lsn := range lsns {
			if _, there := got[lsn]; there != (i != 1) {
				t.Fatalf("bit %d: LSN %d found: %v", bit, lsn, there)
			}
		}
		if _, err := disk.ReadWhole(c, h.Quarantine); err != nil {
			t.Error(err)
		}
	}
}

func firstSegment(d *powercut.Disk) string {
	first := ""
	for name := range d.Names() {
		if strings.HasSuffix(name, ".wal") && (first == "" || name < first) {
			first = name
		}
	}
	return first
}

func TestAFailedSyncPoisons(t *testing.T) {
	d := powercut.New()
	var fail atomic.Bool
	d.Fault = func(op powercut.Op) error {
		if op.Kind == "sync" && strings.Contains(op.Name, "/000000000001-") && fail.Swap(false) { // not one that is prepared; the next one would succeed: it must not be tried
			return syscall.EIO
		}
		return nil
	}
	l, _, _ := open(t, d, 1<<20)
	running(t, l)
	if err := l.Append(t.Context(), &note{number: 1, count: 1}); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	for range 3 {
		if err := l.Append(t.Context(), &note{number: 2, count: 1}); !errors.Is(err, wal.ErrPoisoned) {
			t.Errorf("append after a failed sync: %v; want poisoned", err)
		}
	}
	if !errors.Is(l.Poisoned(), syscall.EIO) {
		t.Errorf("poisoned by %v; want the cause", l.Poisoned())
	}
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	d := powercut.New()
	d.Room = 2*4096 + 100
	l, _, _ := open(t, d, 4096)
	running(t, l)
	var last *note
	var err error
	for i := range uint64(100) {
		n := &note{number: i, count: 30}
		if err = l.Append(t.Context(), n); err != nil {
			break
		}
		last = n
	}
	if !errors.Is(err, wal.ErrFull) || !disk.IsFull(err) {
		t.Fatalf("append to a full disk: %v; want ErrFull", err)
	}
	d2 := d.Copy()
	l2, got, _ := open(t, d2, 4096)
	l2.Close()
	if got[last.lsn] != last.number {
		t.Errorf("the last answered entry is not there")
	}
	if err := l.Release(last.lsn); err != nil && !disk.IsFull(err) {
		t.Fatal(err)
	}
	n := &note{number: 7, count: 30}
	for err = l.Append(t.Context(), n); errors.Is(err, wal.ErrFull); err = l.Append(t.Context(), n) {
	}
	if err != nil {
		t.Fatal(err)
	}
	if n.lsn != last.lsn+30 {
		t.Errorf("LSN %d after %d: refused groups took LSNs", n.lsn, last.lsn)
	}
}

func TestTooLarge(t *testing.T) {
	l, _, _ := open(t, powercut.New(), 4096)
	running(t, l)
	if err := l.Append(t.Context(), &note{count: 4096}); !errors.Is(err, wal.ErrTooLarge) {
		t.Errorf("%v; want ErrTooLarge", err)
	}
	if err := l.Append(t.Context(), &note{count: (4096 - 64) / 12}); err != nil {
		t.Errorf("a group that just fits: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	d := powercut.New()
	l, _, _ := open(f, d, 4096)
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	for i := range uint64(3) {
		if err := l.Append(f.Context(), &note{number: i, count: 20}); err != nil {
			f.Fatal(err)
		}
	}
	cancel()
	<-done
	l.Close()
	name := firstSegment(d)
	whole, err := disk.ReadWhole(d, name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:700])
	f.Fuzz(func(t *testing.T, b []byte) {
		d := powercut.New()
		w, err := d.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteAt(b, 0); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		l, _, err := wal.Open(wal.Options{FS: d, SegmentBytes: 4096}, 0, deaf{}, func(wal.Batch) error { return nil })
		if err == nil {
			err = l.Close()
		}
		if err != nil && !errors.Is(err, wal.ErrUnreadable) {
			t.Error(err)
		}
	})
}

// TestABatchFailsWithTheOneBefore: a batch is placed while the one before it is written; when that finds no room, both fail, and
// what comes later takes their LSNs.
func TestABatchFailsWithTheOneBefore(t *testing.T) {
	d := powercut.New()
	var block atomic.Bool
	writing, proceed := make(chan struct{}), make(chan struct{})
	d.Fault = func(op powercut.Op) error {
		if op.Kind == "write" && strings.Contains(op.Name, "/000000000001-") && block.Swap(false) {
			close(writing)
			<-proceed
			return syscall.ENOSPC
		}
		return nil
	}
	l, _, _ := open(t, d, 1<<20)
	stop := running(t, l)
	if err := l.Append(t.Context(), &note{number: 1, count: 1}); err != nil {
		t.Fatal(err)
	}
	block.Store(true)
	errs := make(chan error, 2)
	placed := &signalling{note: note{number: 3, count: 2}, placed: make(chan struct{})}
	go func() { errs <- l.Append(t.Context(), &note{number: 2, count: 1}) }()
	<-writing
	go func() { errs <- l.Append(t.Context(), placed) }()
	<-placed.placed
	close(proceed)
	for range 2 {
		if err := <-errs; !errors.Is(err, wal.ErrFull) {
			t.Errorf("a batch that was not written, or built upon one: %v; want %v", err, wal.ErrFull)
		}
	}
	after := &note{number: 4, count: 1}
	if err := l.Append(t.Context(), after); err != nil || after.lsn != 2 {
		t.Errorf("the next append: LSN %d, %v; want 2", after.lsn, err)
	}
	stop()
	_, got, _ := open(t, d, 1<<20)
	if want := (reading{1: 1, 2: 4}); !maps.Equal(got, want) {
		t.Errorf("replayed %v; want %v", got, want)
	}
}

// A signalling note tells when it was placed.
type signalling struct {
	note
	placed chan struct{}
}

func (s *signalling) Place(lsn uint64, dst []byte) ([]byte, int) {
	defer close(s.placed)
	return s.note.Place(lsn, dst)
}
