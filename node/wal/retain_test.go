package wal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/engramd/engramd/node/wal"
)

// filled opens a log with a retention, fills some segments and releases them.
func filled(t *testing.T, d *powercut.Disk, opts wal.Options) (l *wal.Log, end func()) {
	t.Helper()
	opts.FS, opts.SegmentBytes = d, 4096
	l, _, err := wal.Open(opts, 0, deaf{}, reading{}.replay)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	for i := range 40 {
		if err := l.Append(t.Context(), &note{number: uint64(i), count: 20}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Release(l.Durable()); err != nil {
		t.Fatal(err)
	}
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReleasedSegmentsAreKeptForTheRetention(t *testing.T) {
	for _, c := range []struct {
		name string
		opts wal.Options
		want int
	}{
		{"no retention", wal.Options{}, 0},
		{"an hour", wal.Options{Retention: time.Hour}, 4},
		{"an hour, and no room", wal.Options{Retention: time.Hour, RetainBytes: 8192}, 2},
		{"over at once", wal.Options{Retention: time.Nanosecond}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, end := filled(t, powercut.New(), c.opts)
			defer end()
			s := l.Stats()
			if s.Retained != c.want || s.RetainedBytes != int64(c.want)*4096 {
				t.Errorf("%+v; want %d segments kept", s, c.want)
			}
			if s.DiskBytes < s.RetainedBytes || s.SealedPending != 0 {
				t.Errorf("%+v: sizes contradict one another", s)
			}
		})
	}
}

// TestGiveRoom: where somebody else needs the room the log gives back the segment that it keeps ready, and takes none until it may.
func TestGiveRoom(t *testing.T) {
	d := powercut.New()
	l, end := filled(t, d, wal.Options{})
	segments := func() (n int) {
		for _, size := range d.Names() {
			if size == 4096 {
				n++
			}
		}
		return n
	}
	if err := l.GiveRoom(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for segments() > 1 {
		if time.Now().After(deadline) {
			t.Fatalf("%d segments after giving room; want the one that is written", segments())
		}
	}
	var number uint64 = 1000
	var err error
	for range 200 { // more than the current segment has room for
		number++
		if err = l.Append(t.Context(), &note{number: number, count: 8}); err != nil {
			break
		}
	}
	if !errors.Is(err, wal.ErrFull) {
		t.Fatalf("the log took a new segment: %v", err)
	}
	l.TakeRoom()
	deadline = time.Now().Add(10 * time.Second)
	for err = errors.New("not tried"); err != nil; err = l.Append(t.Context(), &note{number: number, count: 8}) {
		if time.Now().After(deadline) {
			t.Fatalf("after taking room: %v", err)
		}
	}
	end()
}

// TestTrim removes what is kept, on the disk too, and a restart in between keeps it.
func TestTrim(t *testing.T) {
	d := powercut.New()
	_, end := filled(t, d, wal.Options{Retention: time.Hour})
	end()
	l, end := filled(t, d, wal.Options{Retention: time.Hour}) // end joins the preparing of segments
	if n := l.Stats().Retained; n < 5 {
		t.Errorf("%d segments kept after a restart; want those of before, too", n)
	}
	if err := l.Trim(time.Hour); err != nil || l.Stats().Retained < 5 {
		t.Errorf("trimmed what is young: %+v, %v", l.Stats(), err)
	}
	l.SetRetention(0)
	if err := l.TrimKept(); err != nil || l.Stats().Retained != 0 {
		t.Errorf("after a lower retention: %+v, %v", l.Stats(), err)
	}
	if err := l.Trim(0); err != nil {
		t.Error(err)
	}
	if err := l.Append(t.Context(), &note{number: 99, count: 1}); err != nil {
		t.Error(err)
	}
	end()
	var files int64
	for _, size := range d.Names() {
		if size == 4096 {
			files++
		}
	}
	if s := l.Stats(); s.DiskBytes != files*4096 || files > 4 {
		t.Errorf("%+v, and %d segments on the disk", s, files)
	}
}
