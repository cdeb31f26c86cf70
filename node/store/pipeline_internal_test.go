package store

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/wal"
)

// A gate holds writes of the log up, and can make them fail.
type gate struct {
	shut    atomic.Bool
	reached chan struct{}
	verdict chan error
}

func (g *gate) fault(op powercut.Op) error {
	if op.Kind != "write" || !strings.Contains(op.Name, "/000000000001-") || !g.shut.Swap(false) {
		return nil
	}
	g.reached <- struct{}{}
	return <-g.verdict
}

func gated(t *testing.T) (*Space, *gate) {
	t.Helper()
	fsys, err := disk.NewOS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{reached: make(chan struct{}), verdict: make(chan error)}
	log := powercut.New()
	log.Fault = g.fault
	st, err := Open(Options{FS: fsys, WAL: wal.Options{FS: log, SegmentBytes: 64 << 10}, MapBytes: 1 << 24, CheckpointEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, st.Close(), fsys.Close()); err != nil {
			t.Error(err)
		}
	})
	s, err := st.Create("default", 0)
	if err != nil {
		t.Fatal(err)
	}
	return s, g
}

func putting(id, content string) Change {
	m := record.Memory{ID: id, Content: content, CreatedAt: time.UnixMilli(1), UpdatedAt: time.UnixMilli(1)}
	return Change{Kind: record.Put, ID: id, IfAbsent: true, Value: record.AppendValue(nil, &m, 0)}
}

type outcome struct {
	Result
	err error
}

// twice applies first, and second when first is being written; then lets first end with verdict.
func twice(t *testing.T, s *Space, g *gate, first, second Change, verdict error) (a, b outcome) {
	t.Helper()
	apply := func(c Change, o *outcome) {
		rs, err := s.Apply(t.Context(), []Change{c})
		if o.err = err; err == nil {
			o.Result = rs[0]
		}
	}
	var wg sync.WaitGroup
	g.shut.Store(true)
	wg.Go(func() { apply(first, &a) })
	<-g.reached
	wg.Go(func() { apply(second, &b) })
	w := &s.store.writer
	for placed := false; !placed; runtime.Gosched() {
		w.mu.Lock()
		placed = len(w.batches) == 2 && len(w.batches[1].drafts) > 0
		w.mu.Unlock()
	}
	g.verdict <- verdict
	wg.Wait()
	return a, b
}

func TestABatchBuildsUponTheOneBefore(t *testing.T) {
	s, g := gated(t)
	a, b := twice(t, s, g, putting("a", "1"), putting("a", "2"), nil)
	if a.err != nil || a.Err != nil || !errors.Is(b.Err, ErrExists) || b.Ord != a.Ord || b.Version != a.Version {
		t.Errorf("%+v, then %+v; want the second one to find the first", a, b)
	}
	a, b = twice(t, s, g, putting("b", "1"), Change{Kind: record.Delete, ID: "b"}, nil)
	if a.Err != nil || b.err != nil || b.Err != nil || s.Count() != 1 {
		t.Errorf("%+v, then %+v; %d memories; want one, and b deleted", a, b, s.Count())
	}
	a, b = twice(t, s, g, Change{Kind: record.Delete, ID: "a"}, putting("a", "3"), nil)
	if a.Err != nil || b.err != nil || b.Err != nil || s.Count() != 1 {
		t.Errorf("%+v, then %+v; %d memories; want a, new", a, b, s.Count())
	}
	a, b = twice(t, s, g, putting("c", "1"), putting("d", "1"), nil)
	if a.Err != nil || b.Err != nil || a.Ord == b.Ord || b.Version != a.Version+1 {
		t.Errorf("%+v, then %+v; want one ordinal and version after the other", a, b)
	}
}

// TestABatchUponOneThatFailed: what was refused or granted upon something that never happened is not true, and its ordinals are given to others.
func TestABatchUponOneThatFailed(t *testing.T) {
	s, g := gated(t)
	a, b := twice(t, s, g, putting("a", "1"), putting("a", "2"), syscall.ENOSPC)
	if !errors.Is(a.err, ErrFull) || !errors.Is(b.err, ErrFull) {
		t.Errorf("%+v, then %+v; want ErrFull for both", a, b)
	}
	a, b = twice(t, s, g, putting("b", "1"), putting("c", "1"), syscall.ENOSPC)
	if !errors.Is(a.err, ErrFull) || !errors.Is(b.err, ErrFull) {
		t.Errorf("%+v, then %+v; want ErrFull for both", a, b)
	}
	for i, id := range []string{"c", "a", "b"} {
		rs, err := s.Apply(t.Context(), []Change{putting(id, "2")})
		if want := record.Ord(i + 1); err != nil || rs[0].Err != nil || rs[0].Ord != want {
			t.Errorf("%s after the failures: %+v, %v; want ordinal %d", id, rs, err, want)
		}
	}
}
