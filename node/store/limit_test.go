package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/store"
	"golang.org/x/sys/unix"
)

// TestAFileSizeLimit lets bbolt itself meet a base that cannot grow: the process may not write files beyond 20 MiB for a while.
func TestAFileSizeLimit(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, func(o *store.Options) {
		o.MemtableBytes, o.WAL.SegmentBytes = 1<<20, 1<<20
	})
	s := l.space("default")
	model := map[string]string{}
	text := strings.Repeat("x", 20_000)
	write := func(id string) error {
		_, err := s.Apply(t.Context(), []store.Change{put(id, text)})
		if err == nil {
			model[id] = text
		}
		return err
	}
	lift := limitFiles(t, 20<<20)
	var err error
	for i := 0; err == nil && i < 2000; i++ {
		err = write(fmt.Sprint("m", i))
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("at the limit: %v; want ErrFull", err)
	}
	if n := l.Stats().MemtableBytes; n > 1<<20+64<<10 {
		t.Errorf("the memtables hold %d bytes", n)
	}
	compare(t, s, model)
	if _, _, err := s.Compact(t.Context()); err != nil && !errors.Is(err, store.ErrFull) {
		t.Errorf("compact: %v", err)
	}
	compare(t, s, model)
	lift()
	for end := time.Now().Add(20 * time.Second); ; {
		err := write("after")
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrFull) || time.Now().After(end) {
			t.Fatalf("without the limit: %v", err)
		}
	}
	l.end()
	compare(t, live(t, dir, nil).space("default"), model)
}

// limitFiles limits the files that this process writes, until the returned func is called or the test ends.
func limitFiles(t *testing.T, bytes uint64) (lift func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(lift)
	return lift
}
