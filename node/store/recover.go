package store

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/wal"
)

func isDamage(err error) bool {
	return errors.Is(err, pages.ErrDamaged) || errors.Is(err, record.ErrCorrupt)
}

// replay reads the log and gives each space what its base lacks.
func (st *Store) replay() error {
	after := uint64(0)
	for _, s := range st.byID {
		after = max(after, s.state.applied)
	}
	apart := map[record.SpaceID][]byte{}
	log, report, err := wal.Open(st.opts.WAL, after, &st.writer, func(b wal.Batch) error {
		return st.replayBatch(b, apart)
	})
	st.log, st.report = log, report
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	st.applied.Store(report.LastLSN)
	for id, ops := range apart {
		if err := st.byID[id].keepApart(report.LastLSN, ops); err != nil {
			return err
		}
	}
	return st.checkFloor(report.Floor)
}

// checkFloor refuses spaces whose base is older than what the log was told when it let go of segments: bbolt
// fell back to an older state.
func (st *Store) checkFloor(floor uint64) error {
	for _, s := range st.byID {
		if s.Err() == nil && s.state.applied < floor {
			s.refuse(fmt.Errorf("%w: the base is of LSN %d, and the log begins behind %d", pages.ErrDamaged, s.state.applied, floor))
		}
	}
	return nil
}

// replayBatch applies a batch. Ops of spaces that are gone are dropped, those of refused ones set apart.
func (st *Store) replayBatch(b wal.Batch, apart map[record.SpaceID][]byte) error {
	ops := map[*Space][]record.Op{}
	rest := b.Entries
	for i := range b.Count {
		op, after, err := record.NextOp(rest)
		if err != nil {
			return fmt.Errorf("log entry %d: %w", b.First+uint64(i), err)
		}
		op.LSN = b.First + uint64(i)
		raw := rest[:len(rest)-len(after)]
		rest = after
		s := st.byID[op.Space]
		switch {
		case s == nil:
		case s.Err() != nil:
			apart[op.Space] = append(apart[op.Space], raw...)
		case op.LSN > s.state.applied:
			op.Value = append(record.Value(nil), op.Value...)
			ops[s] = append(ops[s], op)
		}
	}
	for s, ops := range ops {
		s.replay(ops)
	}
	return nil
}

// keepApart keeps ops of a refused space in a file beside its base: the log lets go of them, and whoever restores the space
// may want them.
func (s *Space) keepApart(lsn uint64, ops []byte) error {
	name := path.Join(s.dir, fmt.Sprintf("unapplied-%d.ops", lsn))
	if err := disk.WriteWhole(s.store.opts.FS, name, ops); err != nil {
		return fmt.Errorf("set apart what the damaged space %s lacks: %w", s.Name(), err)
	}
	s.store.opts.Logger.Warn("changes of a damaged space are set apart", "space", s.Name(), "file", name)
	return nil
}

// setApart keeps what a space's memtables hold when its base turns out to be damaged, and empties them: the log
// lets go of it.
func (s *Space) setApart() error {
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	if s.dropped.Load() {
		return nil
	}
	s.mu.RLock()
	var ops []byte
	var bytes int64
	lsn := s.last
	for _, m := range []*memtable{s.frozen, s.active} {
		if m != nil {
			ops = m.appendOps(ops, s)
			bytes += m.bytes
		}
	}
	s.mu.RUnlock()
	if len(ops) == 0 {
		return nil
	}
	if err := s.keepApart(lsn, ops); err != nil {
		return err
	}
	s.mu.Lock()
	s.frozen, s.active = nil, s.emptied()
	s.mu.Unlock()
	s.store.memory.Add(-bytes)
	s.store.room.signal()
	return nil
}

// appendOps writes the memtable as ops, whose order among different keys does not matter.
func (m *memtable) appendOps(dst []byte, s *Space) []byte {
	space := s.id
	for _, ord := range m.ords() {
		v, _ := m.value(ord)
		op := record.Op{Kind: record.Put, Space: space, Ord: ord, Value: v}
		switch {
		case v == nil:
			op.Kind = record.Delete
		case v.VectorVersion() != 0:
			if op.Vector = s.vectorOf(ord); op.Vector != nil {
				op.Value = v.SettingVector(ord)
			} else {
				op.Value = v.Rewrite(ord, v.Version(), 0)
			}
		}
		dst = record.AppendOp(dst, &op)
	}
	for k, d := range m.edges {
		op := record.Op{Kind: record.Link, Space: space, Ord: k.from(), To: k.to(), Weight: d.weight}
		switch {
		case m.void(k, d):
			continue
		case d.weight == 0:
			op.Kind = record.Unlink
		case d.ifThere:
			op.Kind = record.Strengthen
		}
		dst = record.AppendOp(dst, &op)
	}
	for ord, a := range m.access {
		dst = record.AppendOp(dst, &record.Op{Kind: record.Touch, Space: space, Ord: ord, Access: a})
	}
	return dst
}

// vectorOf returns the vector of ord from the view that keeps them, nil if none can tell.
func (s *Space) vectorOf(ord record.Ord) []float32 {
	for _, view := range s.views {
		if keeper, ok := view.(interface {
			Get(ctx context.Context, ord record.Ord, since uint64) ([]float32, error)
		}); ok {
			if vector, err := keeper.Get(context.Background(), ord, 0); err == nil {
				return vector
			}
		}
	}
	return nil
}

// release lets go of the log up to lsn, which all bases have.
func (st *Store) release(ctx context.Context, lsn uint64) error {
	if !st.log.Releasable(lsn) {
		return st.log.TrimKept()
	}
	if p := st.broken.Load(); p != nil {
		return *p // what was to be durable may not be, and the log has it
	}
	for _, s := range st.open() {
		if err := s.advance(ctx, lsn); err != nil {
			return err
		}
	}
	return st.log.Release(lsn)
}

// advance notes in the base that it lacks nothing up to lsn, so that a base that is older than the log's
// beginning shows.
func (s *Space) advance(ctx context.Context, lsn uint64) error {
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	if s.Err() != nil || s.applied.Load() >= lsn {
		return nil
	}
	w := baseWriter{space: s, state: s.state}
	if err := w.commit(lsn, nil); err != nil {
		return s.failed(err)
	}
	return ctx.Err()
}

func (st *Store) requestCheckpoint() {
	select {
	case st.wanted <- struct{}{}:
	default:
	}
}

// noteCheckpoint remembers how the last checkpoint ended. One that failed for another reason than a full
// disk leaves the store read-only: what a base has is unknown until it is opened again.
func (st *Store) noteCheckpoint(err error) {
	switch {
	case err == nil:
		st.failure.Store(nil)
		st.log.TakeRoom()
		return
	case errors.Is(err, context.Canceled):
		return
	case errors.Is(err, ErrFull):
		// What the log keeps without need may be the room that is missing, and what it would take next.
		if trim := st.log.GiveRoom(); trim != nil {
			err = errors.Join(err, trim)
		}
	case errors.Is(err, ErrDamaged):
	default:
		st.breaks(fmt.Errorf("%w: %w", ErrReadOnly, err))
	}
	if before := st.failure.Swap(&err); before == nil || (*before).Error() != err.Error() {
		st.opts.Logger.Error("checkpoint failed", "error", err)
	}
	st.room.signal() // whoever waits for it learns why it does not come
}

// checkpointFailure returns why memtables do not get into their bases, or nil.
func (st *Store) checkpointFailure() error {
	if p := st.failure.Load(); p != nil {
		return *p
	}
	return nil
}
