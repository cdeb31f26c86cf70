package wal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/disk"
)

// What an append can fail with, besides the end of its context.
var (
	ErrFull     = errors.New("no room for the log")
	ErrPoisoned = errors.New("the log is read-only since a failed sync: restart the node")
	ErrClosed   = errors.New("the log is closed")
	ErrTooLarge = errors.New("the group does not fit into a log segment")
)

// Options of a log. Zero values are defaults.
type Options struct {
	FS           disk.FS
	Dir          string        // inside FS; "wal"
	SegmentBytes int64         // 64 MiB
	BatchBytes   int           // a batch takes no further group beyond it; 4 MiB
	Retry        time.Duration // how often a full disk is tried again; 1 s
	Retention    time.Duration // how long released segments are kept; 0: not at all
	RetainBytes  int64         // how much of them at most; 256 MiB
	Logger       *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Dir == "" {
		o.Dir = "wal"
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	o.SegmentBytes = int64(padded(int(max(o.SegmentBytes, 4*align))))
	if o.BatchBytes == 0 {
		o.BatchBytes = 4 << 20
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.RetainBytes == 0 {
		o.RetainBytes = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("component", "wal")
	return o
}

// A Group is what one caller wants logged, all in one batch.
type Group interface {
	// Size is at least the number of bytes that Place will append.
	Size() int
	// Place is called in the order of the log. It appends the group's entries to dst, the first of which has the given LSN, and returns
	// their number, which may be zero. The batch before may still be on its way to the disk.
	Place(lsn uint64, dst []byte) ([]byte, int)
}

// An Applier takes what the log made durable.
//
// Begin, and all calls of Place until the next one, make a batch. There are at most two at a time: one that is placed while the one before it
// is made durable.
type Applier interface {
	// Begin is called before the first group of a batch is placed.
	Begin()
	// Commit is called when the oldest batch is durable, before its callers are answered.
	Commit()
	// Abort is called when nothing of the oldest batch will ever be acknowledged. The one behind it is aborted as well, before anything else
	// is placed.
	Abort()
}

// A Log is an open log.
type Log struct {
	opts    Options
	applier Applier

	mu     sync.Mutex // queue, closed
	queue  []*waiter
	closed bool
	wake   chan struct{}

	// Batches pass these three one behind the other.
	placing  turn
	writing  turn
	applying turn

	waiting []*waiter // of placing: they did not fit into the batch before
	placed  uint64    // of placing: LSN of the next entry that is placed
	current *segment  // of writing
	next    uint64    // of writing: LSN of the next entry that is written
	failed  error     // of writing: why the last batch was not written

	looking  atomic.Bool  // a writer is about to look at the queue, and need not be woken
	flying   atomic.Int64 // callers in batches that are placed and not answered
	syncTime atomic.Int64 // nanoseconds that the last sync took
	workTime atomic.Int64 // nanoseconds that applying and answering the last batch took

	prepared chan preparation
	freed    chan struct{}
	yield    chan struct{} // the segment that is kept ready is to be given back
	yielding atomic.Bool   // no segment is prepared until TakeRoom

	segmu  sync.Mutex // sealed, spare, number
	sealed []*segment // full, or of a former run, ascending
	spare  []*segment // released, to be renamed
	kept   []retained // released, and still kept; oldest first
	number uint64     // the highest number given

	durable  atomic.Uint64 // last LSN that is on the disk
	poison   atomic.Pointer[error]
	batches  atomic.Uint64
	written  atomic.Uint64
	segments atomic.Int64 // files

	retention atomic.Int64 // a time.Duration
}

type waiter struct {
	group Group
	done  chan error
}

var waiters = sync.Pool{New: func() any { return &waiter{done: make(chan error, 1)} }}

// Append logs g and returns when it is durable and applied. If ctx ends first, g may still be logged, and must not be
// reused.
func (l *Log) Append(ctx context.Context, g Group) error {
	if int64(padded(g.Size()+headerBytes)) > l.opts.SegmentBytes {
		return fmt.Errorf("%w: %d bytes, a segment has %d", ErrTooLarge, g.Size(), l.opts.SegmentBytes)
	}
	w := waiters.Get().(*waiter)
	w.group = g
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.queue = append(l.queue, w)
	seen := l.looking.Load()
	l.mu.Unlock()
	if !seen {
		l.signal()
	}
	select {
	case err := <-w.done:
		w.group = nil
		waiters.Put(w)
		return err
	case <-ctx.Done():
		return fmt.Errorf("not known to be durable: %w", context.Cause(ctx))
	}
}

// Durable returns the last LSN that is on the disk.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Poisoned returns why the log takes no more writes, or nil.
func (l *Log) Poisoned() error {
	if p := l.poison.Load(); p != nil {
		return *p
	}
	return nil
}

// Stats are counters since Open, and what the log takes on the disk.
type Stats struct {
	Batches       uint64
	WrittenBytes  uint64
	DiskBytes     int64
	SealedPending int   // segments that are full and not yet released
	Retained      int   // segments that are released and kept for the retention
	RetainedBytes int64 // of DiskBytes
	DurableLSN    uint64
}

// Stats tells what the log did and takes.
func (l *Log) Stats() Stats {
	l.segmu.Lock()
	pending, kept, bytes := len(l.sealed), len(l.kept), int64(0)
	for _, r := range l.kept {
		bytes += r.segment.size
	}
	l.segmu.Unlock()
	return Stats{
		Retained: kept, RetainedBytes: bytes,
		Batches: l.batches.Load(), WrittenBytes: l.written.Load(), DurableLSN: l.durable.Load(),
		DiskBytes: l.segments.Load() * l.opts.SegmentBytes, SealedPending: pending,
	}
}

// Close closes the files. Run must have returned, or never have been called.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.segmu.Lock()
	defer l.segmu.Unlock()
	var err error
	all := append(append([]*segment{l.current}, l.sealed...), l.spare...)
	for _, r := range l.kept {
		all = append(all, r.segment)
	}
	for _, s := range all {
		if s != nil && s.file != nil {
			err = errors.Join(err, s.file.Close())
			s.file = nil
		}
	}
	return err
}

func newSalt() uint64 { return rand.Uint64() | 1 }
