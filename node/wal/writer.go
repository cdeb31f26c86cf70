package wal

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/engramd/engramd/node/disk"
)

// Run writes what is appended until ctx ends, then what still waits, and returns.
func (l *Log) Run(ctx context.Context) error {
	preparing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { l.prepare(preparing) })
	defer wg.Wait()
	defer stop()
	var batch, rest []*waiter
	for {
		rest = l.take(ctx, rest)
		if len(rest) == 0 {
			return nil
		}
		batch, rest = l.split(rest)
		l.commit(batch)
	}
}

// take returns rest and what is queued behind it. It waits if there is nothing, and returns nothing when the
// log is closing and all is written.
func (l *Log) take(ctx context.Context, rest []*waiter) []*waiter {
	for {
		// Let those whom the last batch answered queue up again first: a batch of one behind each batch of
		// many would halve the rate.
		runtime.Gosched()
		l.mu.Lock()
		rest = append(rest, l.queue...)
		clear(l.queue)
		l.queue = l.queue[:0]
		l.closed = l.closed || ctx.Err() != nil
		closed := l.closed
		l.mu.Unlock()
		if len(rest) > 0 || closed {
			return rest
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// split cuts waiting where the batch would get too large.
func (l *Log) split(waiting []*waiter) (batch, rest []*waiter) {
	size, limit := headerBytes, min(l.opts.BatchBytes, int(l.opts.SegmentBytes)-align)
	for i, w := range waiting {
		if size += w.group.Size(); size > limit && i > 0 {
			return waiting[:i:i], waiting[i:]
		}
	}
	return waiting, nil
}

func (l *Log) commit(batch []*waiter) {
	err := l.write(batch)
	if err == nil {
		l.applier.Commit()
	} else {
		l.applier.Abort()
	}
	for _, w := range batch {
		w.done <- err
	}
}

// write makes the batch durable.
func (l *Log) write(batch []*waiter) error {
	if err := l.Poisoned(); err != nil {
		return err
	}
	var zeros [headerBytes]byte
	b, lsn := append(l.buf[:0], zeros[:]...), l.next
	for _, w := range batch {
		var n int
		b, n = w.group.Place(lsn, b)
		lsn += uint64(n)
	}
	l.buf = b[:0]
	if lsn == l.next {
		return nil
	}
	s, err := l.room(padded(len(b)))
	if err != nil {
		return err
	}
	b = seal(b, s.salt, l.next, int(lsn-l.next))
	l.buf = b[:0]
	if _, err := s.file.WriteAt(b, s.off); err != nil {
		if disk.IsFull(err) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		return l.poisoned(fmt.Errorf("write log: %w", err))
	}
	if err := s.file.Sync(); err != nil {
		return l.poisoned(fmt.Errorf("sync log: %w", err))
	}
	s.off += int64(len(b))
	if s.first == 0 {
		s.first = l.next
	}
	s.last, l.next = lsn-1, lsn
	l.durable.Store(s.last)
	l.batches.Add(1)
	l.written.Add(uint64(len(b)))
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
	l.opts.Logger.Error("the log is read-only until a restart", "error", cause)
	return err
}
