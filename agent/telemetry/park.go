package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A parked store looks whether it can write again, after ever longer waits: the tsdb leaks a file each
// time that it is closed and cannot write.
const (
	reopenFirst = 5 * time.Second
	reopenMost  = 5 * time.Minute
)

// park closes the database after a write failed. Left open, it would soon try to write the chunks that
// it has finished, in a goroutine of its own, where a failure ends the process.
func (s *store) park(ctx context.Context, why error) {
	s.disk.failed(ctx, why)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return
	}
	if err := s.closeBroken(); err != nil {
		s.log.WarnContext(ctx, "the metric store was closed with an error", "error", err)
	}
	s.wait = min(2*s.wait, reopenMost)
	if opened := s.parked; s.wait == 0 || time.Since(opened).Abs() > 2*reopenMost {
		s.wait = reopenFirst
	}
	s.db, s.parked = nil, time.Now()
}

// closeBroken closes a database that cannot write. The tsdb panics where its last chunks cannot be
// written; they are in its log, too.
func (s *store) closeBroken() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close the tsdb: %v", p)
		}
	}()
	return s.db.Close()
}

// reopen opens a database that was parked, if the disk takes data again.
func (s *store) reopen(ctx context.Context) {
	s.mu.RLock()
	due := s.waits()
	s.mu.RUnlock()
	if !due {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.waits() {
		return
	}
	s.parked = time.Now()
	if err := probe(s.dir); err != nil {
		s.disk.failed(ctx, err)
		return
	}
	if err := s.open(); err != nil {
		s.disk.failed(ctx, err)
	}
}

func (s *store) waits() bool {
	return s.db == nil && !s.closed && time.Since(s.parked).Abs() >= s.wait
}

// probe writes what the store will need at least.
func probe(dir string) error {
	name := filepath.Join(dir, "probe")
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write to the metric store: %w", err)
	}
	_, err = f.Write(make([]byte, probeBytes))
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(name))
	if err != nil {
		return fmt.Errorf("write to the metric store: %w", err)
	}
	return nil
}

const probeBytes = 256 << 10

// writeFinishedChunks empties what the tsdb would otherwise write in its own goroutine. The caller
// holds mu for reading.
func (s *store) writeFinishedChunks() {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("the metric store could not write finished chunks", "error", fmt.Sprint(p))
		}
	}()
	s.db.ForceHeadMMap()
}
