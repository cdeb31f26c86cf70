package wal

import (
	"errors"
	"time"
)

// A retained segment is released and kept for a while, for whoever wants to know what was written when. Recovery reads over it: it is below the
// floor.
type retained struct {
	segment *segment
	since   time.Time
}

// SetRetention changes how long released segments are kept from now on.
func (l *Log) SetRetention(d time.Duration) { l.retention.Store(int64(max(0, d))) }

// Retention is how long released segments are kept.
func (l *Log) Retention() time.Duration { return time.Duration(l.retention.Load()) }

// TrimKept lets go of released segments whose retention is over.
func (l *Log) TrimKept() error { return l.Trim(max(1, time.Duration(l.retention.Load()))) }

// Trim lets go of released segments that are older than keep, and with zero of those as well that wait to be used again.
func (l *Log) Trim(keep time.Duration) error {
	l.segmu.Lock()
	cut, bytes := 0, int64(0)
	for i := len(l.kept) - 1; i >= 0; i-- {
		bytes += l.kept[i].segment.size
		if time.Since(l.kept[i].since) >= keep || bytes > l.opts.RetainBytes {
			cut = i + 1
			break
		}
	}
	gone := l.kept[:cut:cut]
	l.kept = l.kept[cut:]
	var spare []*segment
	if keep == 0 {
		spare, l.spare = l.spare, nil
	}
	l.segmu.Unlock()
	var err error
	for _, r := range gone {
		if keep == 0 {
			err = errors.Join(err, l.remove(r.segment))
		} else {
			err = errors.Join(err, l.dispose(r.segment))
		}
	}
	for _, s := range spare {
		err = errors.Join(err, l.remove(s))
	}
	if len(gone)+len(spare) > 0 {
		l.signalFreed()
	}
	return err
}

// GiveRoom gives back all room that the log could do without, because somebody needs it who makes more: whoever brings the log's content elsewhere. Until TakeRoom the log
// takes no new segment, and appends that need one are refused with ErrFull.
func (l *Log) GiveRoom() error {
	l.yielding.Store(true)
	select {
	case l.yield <- struct{}{}:
	default:
	}
	return l.Trim(0)
}

// TakeRoom lets the log take new segments again.
func (l *Log) TakeRoom() {
	if l.yielding.Swap(false) {
		l.signalFreed()
	}
}

// retire keeps a released segment, or lets go of it.
func (l *Log) retire(s *segment) error {
	if l.retention.Load() == 0 || s.last == 0 {
		return l.dispose(s)
	}
	l.segmu.Lock()
	defer l.segmu.Unlock()
	l.kept = append(l.kept, retained{s, time.Now()})
	return nil
}

// signalFreed says that a segment may be prepared where none could be.
func (l *Log) signalFreed() {
	select {
	case l.freed <- struct{}{}:
	default:
	}
}
