package wal

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/node/disk"
)

// writers is how many batches are under way: one is placed while another one is written.
const writers = 2

// A turn is what one writer at a time has.
type turn chan struct{}

func (t turn) take() { t <- struct{}{} }
func (t turn) pass() { <-t }

// Run writes what is appended until ctx ends, then what still waits, and returns.
func (l *Log) Run(ctx context.Context) error {
	preparing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg, writing sync.WaitGroup
	wg.Go(func() { l.prepare(preparing) })
	for range writers {
		writing.Go(func() {
			for w := (batch{log: l}); w.next(ctx); {
			}
		})
	}
	writing.Wait()
	stop()
	wg.Wait()
	return nil
}

// A batch is made and written by one writer, over and over again.
type batch struct {
	log     *Log
	waiters []*waiter
	buf     []byte
	first   uint64 // LSN
	count   int
	writing bool // it had its turn at writing from the beginning
}

// next makes one batch durable, applies it, and answers. It returns false when the log is closing and all is written.
//
// The writer takes its turn at a stage before it passes on the one that it has, so that batches never overtake one another. A batch that
// builds upon one that could not be written fails with it, before any other is placed.
func (b *batch) next(ctx context.Context) bool {
	l := b.log
	if !l.await(ctx) {
		return false
	}
	b.begin()
	b.fill()
	if !b.writing {
		l.writing.take()
	}
	var err error
	if b.first == l.next {
		err = b.write()
	} else {
		err = b.fall()
	}
	l.writing.pass()
	b.answer(err)
	l.applying.pass()
	return true
}

// write makes the batch durable. It passes on the turn at placing, and takes that at applying.
func (b *batch) write() error {
	l := b.log
	b.gather()
	b.leave()
	err := b.sync()
	l.applying.take()
	if err != nil {
		l.failed = err
		l.applier.Abort()
	}
	return err
}

// fall gives the batch up with the one before, and passes on and takes the same turns as write.
func (b *batch) fall() error {
	l := b.log
	l.applying.take()
	l.applier.Abort()
	l.placed = l.next
	b.leave()
	return l.failed
}

func (b *batch) answer(err error) {
	begin := time.Now()
	if err == nil {
		b.log.applier.Commit()
	}
	for _, w := range b.waiters {
		w.done <- err
	}
	b.log.flying.Add(-int64(len(b.waiters)))
	b.log.workTime.Store(int64(time.Since(begin)))
}

// await waits until somebody waits: true, and the turn at placing is taken; or until the log is closing and nobody does.
func (l *Log) await(ctx context.Context) bool {
	for {
		l.placing.take()
		// Let those whom the last batch answered queue up again first: a batch of one behind each batch of
		// many would halve the rate.
		l.looking.Store(true)
		runtime.Gosched()
		closed := l.queued(ctx.Err() != nil)
		if len(l.waiting) > 0 {
			return true
		}
		l.placing.pass()
		if closed {
			return false
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// queued adds what was queued to those who wait, and tells whether nothing will follow.
func (l *Log) queued(ending bool) (closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = l.closed || ending
	l.looking.Store(false)
	l.waiting = append(l.waiting, l.queue...)
	clear(l.queue)
	l.queue = l.queue[:0]
	return l.closed
}

// signal wakes a writer that has nothing to do, if there is one.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// leave passes on the turn at placing. For those who did not get into the batch it wakes the other writer.
func (b *batch) leave() {
	l := b.log
	l.flying.Add(int64(len(b.waiters)))
	if len(l.waiting) > 0 {
		l.signal()
	}
	l.placing.pass()
}

// gather takes along who came while the last batch was written. Where a sync takes long, the callers of that batch are let queue up again, too,
// until nobody comes any more: what they need for it is less than they would wait for the sync after this one.
func (b *batch) gather() {
	l := b.log
	l.queued(false)
	b.fill()
	if l.quick() {
		return
	}
	l.applying.take()
	l.applying.pass()
	for before := -1; before < len(b.waiters); {
		before = len(b.waiters)
		runtime.Gosched()
		l.queued(false)
		b.fill()
	}
}

// quick tells whether a sync takes so little, compared with the work before and after it, that two batches of half the size, one being
// synced while the other one is worked upon, are faster than one of all.
func (l *Log) quick() bool {
	return time.Duration(l.syncTime.Load()) < slowFactor*time.Duration(l.workTime.Load())
}

// slowFactor is how many times longer than applying and answering a batch a sync takes where it is worth waiting for all. Applying and answering is
// a quarter of the work or less: the callers have the rest.
const slowFactor = 10

// fill puts those who wait into the batch, but for what belongs to the next one.
func (b *batch) fill() {
	l := b.log
	n := len(l.waiting)
	if l.quick() {
		n = (len(b.waiters)+n+int(l.flying.Load())+1)/2 - len(b.waiters)
	}
	b.place(n)
}

func (b *batch) begin() {
	l := b.log
	select {
	case l.writing <- struct{}{}:
		b.writing, l.placed = true, l.next // nothing is under way
	default:
		b.writing = false
	}
	var zeros [headerBytes]byte
	b.buf = append(b.buf[:0], zeros[:]...)
	b.waiters = b.waiters[:0]
	b.first, b.count = l.placed, 0
	l.applier.Begin()
}

// place puts up to most of those who wait into the batch, as long as they fit.
func (b *batch) place(most int) {
	l := b.log
	limit := min(l.opts.BatchBytes, int(l.opts.SegmentBytes)-align)
	n := 0
	for _, w := range l.waiting {
		if n >= most {
			break
		}
		if len(b.buf)+w.group.Size() > limit && len(b.waiters) > 0 {
			break
		}
		var count int
		b.buf, count = w.group.Place(l.placed, b.buf)
		b.waiters = append(b.waiters, w)
		b.count += count
		l.placed += uint64(count)
		n++
	}
	l.waiting = slices.Delete(l.waiting, 0, n)
}

// sync makes the batch durable.
func (b *batch) sync() error {
	l := b.log
	if err := l.Poisoned(); err != nil {
		return err
	}
	if b.count == 0 {
		return nil
	}
	s, err := l.room(padded(len(b.buf)))
	if err != nil {
		return err
	}
	b.buf = seal(b.buf, s.salt, b.first, b.count)
	begin := time.Now()
	if _, err := s.file.WriteAt(b.buf, s.off); err != nil {
		if disk.IsFull(err) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		return l.poisoned(fmt.Errorf("write log: %w", err))
	}
	if err := s.file.Sync(); err != nil {
		return l.poisoned(fmt.Errorf("sync log: %w", err))
	}
	l.syncTime.Store(int64(time.Since(begin)))
	s.off += int64(len(b.buf))
	if s.first == 0 {
		s.first = b.first
	}
	s.last = b.first + uint64(b.count) - 1
	l.next = s.last + 1
	l.durable.Store(s.last)
	l.batches.Add(1)
	l.written.Add(uint64(len(b.buf)))
	return nil
}

// room returns a segment with n bytes of room at its off.
func (l *Log) room(n int) (*segment, error) {
	if s := l.current; s != nil && s.off+int64(n) <= s.size {
		return s, nil
	}
	p := <-l.prepared
	if p.err != nil {
		return nil, p.err
	}
	l.segmu.Lock()
	if l.current != nil {
		l.sealed = append(l.sealed, l.current)
	}
	l.segmu.Unlock()
	l.current = p.segment
	return p.segment, nil
}

func (l *Log) poisoned(cause error) error {
	err := fmt.Errorf("%w: %w", ErrPoisoned, cause)
	l.poison.Store(&err)
	disk.NoteFailedSync(l.opts.FS)
	l.opts.Logger.Error("the log is read-only until a restart", "error", cause)
	return err
}
