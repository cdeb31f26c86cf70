package telemetry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// clockTolerance is how far the clock may be behind the newest sample before the samples from its
// future are thrown away. Up to that, the agent waits until the clock has caught up.
const clockTolerance = time.Minute

// behind reports by how much the clock is behind the newest sample.
func (s *store) behind(now time.Time) time.Duration {
	newest := s.newest.Load()
	if newest == minTime {
		return 0
	}
	return max(0, time.UnixMilli(newest).Sub(now))
}

// note remembers that a collector took a sample at t.
func (s *store) note(t int64) {
	for {
		old := s.newest.Load()
		if t <= old || s.newest.CompareAndSwap(old, t) {
			return
		}
	}
}

// rewind throws away what was measured after now, so that new samples are in order again. The samples
// before now stay for history, but are no evidence of the present: they were taken by the clock that
// was wrong, or is now.
func (s *store) rewind(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	cut, behind, kept := now.UnixMilli(), s.behind(now), true
	if s.db != nil {
		future, err := s.keepBefore(cut)
		kept = err == nil
		if err := s.db.Close(); err != nil {
			s.log.WarnContext(ctx, "closing the metric store failed", "error", err)
		}
		s.db, s.parked = nil, now
		for _, name := range append(future, "wal", "wbl", "chunks_head") {
			if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
				return fmt.Errorf("throw away samples from the clock's future: %w", err)
			}
		}
	}
	if err := s.open(); err != nil {
		return err
	}
	s.since.Store(cut)
	s.newest.Store(minTime)
	s.m.clockBack.Inc()
	s.log.WarnContext(ctx, "the clock went back; samples from its future were thrown away, and signals are unknown until there are new ones",
		"by", behind, "kept_history", kept)
	return nil
}

// keepBefore writes the head's samples before cut to a block, and names the blocks that reach beyond.
func (s *store) keepBefore(cut int64) (future []string, err error) {
	s.db.DisableCompactions()
	if head := s.db.Head(); head.MinTime() < cut {
		err = s.db.CompactHead(tsdb.NewRangeHead(head, head.MinTime(), cut-1))
	}
	return blocksAfter(s.db.BlockMetas(), cut), err
}

// blocksAfter names the blocks that reach beyond t.
func blocksAfter(blocks []tsdb.BlockMeta, t int64) []string {
	var names []string
	for _, b := range blocks {
		if b.MaxTime > t {
			names = append(names, b.ULID.String())
		}
	}
	return names
}
