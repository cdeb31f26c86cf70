package wal

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/engramd/engramd/node/disk"
)

// maxSpares is how many released segments are kept for renaming; the others are removed.
const maxSpares = 2

var errYielding = fmt.Errorf("%w: the disk is full, and what the log holds has to get into the bases first", ErrFull)

type preparation struct {
	segment *segment
	err     error
}

// prepare keeps one segment ready. While it cannot, whoever asks gets the reason at once, and it is tried
// again every Retry and when a segment is released. After GiveRoom it keeps none until TakeRoom.
func (l *Log) prepare(ctx context.Context) {
	for {
		if l.yielding.Load() {
			if !l.refuse(ctx, errYielding) {
				return
			}
			continue
		}
		s, err := l.ready()
		if err == nil {
			select {
			case l.prepared <- preparation{segment: s}:
				continue
			case <-l.yield:
				if err := l.remove(s); err != nil {
					l.opts.Logger.Warn("a log segment could not be given back", "error", err)
				}
				continue
			case <-ctx.Done():
				l.segmu.Lock()
				l.spare = append(l.spare, s)
				l.segmu.Unlock()
				return
			}
		}
		l.opts.Logger.Warn("no log segment can be prepared", "error", err)
		if !l.refuse(ctx, err) {
			return
		}
	}
}

// refuse answers with err until it is worth trying again; false: ctx ended.
func (l *Log) refuse(ctx context.Context, err error) bool {
	if disk.IsFull(err) && !errors.Is(err, ErrFull) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	retry := time.NewTimer(l.opts.Retry)
	defer retry.Stop()
	for {
		select {
		case l.prepared <- preparation{err: err}:
		case <-retry.C:
			return true
		case <-l.freed:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// ready returns a segment of zeros or of batches with an old salt.
func (l *Log) ready() (*segment, error) {
	l.segmu.Lock()
	l.number++
	s := &segment{number: l.number, salt: newSalt(), size: l.opts.SegmentBytes}
	var old *segment
	if n := len(l.spare); n > 0 {
		old, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.segmu.Unlock()
	if old == nil {
		if err := zeroed(l.opts.FS, l.opts.Dir, s); err != nil {
			return nil, err
		}
		l.segments.Add(1)
		return s, nil
	}
	s.file = old.file
	err := install(l.opts.FS, l.opts.Dir, path.Join(l.opts.Dir, old.name()), path.Join(l.opts.Dir, s.name()))
	return s, err
}

// Releasable tells whether Release would let go of anything.
func (l *Log) Releasable(lsn uint64) bool {
	l.segmu.Lock()
	defer l.segmu.Unlock()
	return len(l.sealed) > 0 && l.sealed[0].last <= lsn
}

// Release says that everything up to lsn is safe elsewhere: segments that hold nothing beyond it are
// kept for the retention, and then renamed for reuse or removed.
func (l *Log) Release(lsn uint64) error {
	l.segmu.Lock()
	var gone []*segment
	for len(l.sealed) > 0 && l.sealed[0].last <= lsn {
		gone, l.sealed = append(gone, l.sealed[0]), l.sealed[1:]
	}
	l.segmu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	if err := l.writeFloor(lsn); err != nil {
		l.segmu.Lock()
		l.sealed = append(gone, l.sealed...)
		l.segmu.Unlock()
		return err
	}
	var err error
	for _, s := range gone {
		err = errors.Join(err, l.retire(s))
	}
	err = errors.Join(err, l.TrimKept())
	l.signalFreed()
	return err
}

func (l *Log) dispose(s *segment) error {
	l.segmu.Lock()
	if len(l.spare) < maxSpares && s.size == l.opts.SegmentBytes && s.file != nil {
		l.spare = append(l.spare, s)
		l.segmu.Unlock()
		return nil
	}
	l.segmu.Unlock()
	return l.remove(s)
}

// remove deletes a segment that nobody needs.
func (l *Log) remove(s *segment) error {
	l.segments.Add(-1)
	var err error
	if s.file != nil {
		err = s.file.Close()
		s.file = nil
	}
	return errors.Join(err, l.opts.FS.Remove(path.Join(l.opts.Dir, s.name())))
}
