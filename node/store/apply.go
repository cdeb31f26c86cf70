package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/wal"
)

// Apply makes changes durable and visible, all in one batch of the log, and returns a result for each. A
// refused change leaves no trace and does not hinder the others. The error is not nil if nothing of the
// group is known to have happened: ErrBusy, ErrFull, ErrReadOnly, ErrClosed, the space's own, or the end of
// ctx (then all of it may still happen).
//
// The changes belong to the store from now on, whatever is returned.
func (s *Space) Apply(ctx context.Context, changes []Change) ([]Result, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	if err := s.store.admit(ctx); err != nil {
		return nil, err
	}
	g := newGroup(s, changes)
	g.prepare()
	if err := s.store.log.Append(ctx, g); err != nil {
		return nil, logError(err)
	}
	return g.results, nil
}

// logError says it in the words of this package.
func logError(err error) error {
	switch {
	case errors.Is(err, wal.ErrFull):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, wal.ErrPoisoned):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errors.Is(err, wal.ErrClosed):
		return ErrClosed
	case errors.Is(err, wal.ErrTooLarge):
		return fmt.Errorf("%w: %w", record.ErrInvalid, err)
	}
	return err
}

// admit waits while the memtables are at their bound.
func (st *Store) admit(ctx context.Context) error {
	if err := st.readOnly(); err != nil {
		return err
	}
	if st.memory.Load() < st.opts.MemtableBytes {
		return nil
	}
	deadline := time.NewTimer(st.opts.BusyWait)
	defer deadline.Stop()
	for {
		freed := st.room.wait()
		if st.memory.Load() < st.opts.MemtableBytes {
			return nil
		}
		st.requestCheckpoint() // where the last one failed, there may be room again by the next write
		if cause := st.checkpointFailure(); cause != nil {
			return cause
		}
		select {
		case <-freed:
		case <-deadline.C:
			return ErrBusy
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// commit makes visible what a batch does to the space.
func (s *Space) commit(w *writer, d *draft) {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	w.mu.Lock()
	s.show(d.ops, func(i int, op *record.Op) { s.index.put(op.Ord, op.Value.IDString(), &d.keys[i], op.LSN) })
	d.leave()
	w.mu.Unlock()
	s.feed(d.ops)
}

// replay applies ops that the log still has at open.
func (s *Space) replay(ops []record.Op) {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	s.show(ops, func(_ int, op *record.Op) { s.index.replay(op.Ord, op.Value.IDString(), op.LSN) })
	s.feed(ops)
}

// show brings durable ops of one batch into the index and the memtable.
func (s *Space) show(ops []record.Op, put func(int, *record.Op)) {
	if len(ops) == 0 {
		return
	}
	s.mu.Lock()
	before := s.active.bytes
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case record.Put:
			put(i, op)
		case record.Delete:
			s.index.remove(op.Ord)
		}
		s.active.apply(op)
		s.account(op)
	}
	s.last = ops[len(ops)-1].LSN
	grown := s.active.bytes - before
	s.mu.Unlock()
	s.store.memory.Add(grown)
}

// feed tells the views.
func (s *Space) feed(ops []record.Op) {
	if len(ops) == 0 {
		return
	}
	for _, v := range s.views {
		v.Apply(ops)
	}
	if s.store.memory.Load() >= s.store.opts.CheckpointBytes {
		s.store.requestCheckpoint()
	}
}

// account keeps the writer's own books of ordinals.
func (s *Space) account(op *record.Op) {
	switch op.Kind {
	case record.Delete:
		s.dead[op.Ord] = true
	case record.Free:
		if s.dead[op.Ord] {
			delete(s.dead, op.Ord)
			s.free = append(s.free, op.Ord)
		}
	}
	if s.ends != nil && op.To != 0 {
		s.ends.mark(op.Ord)
		s.ends.mark(op.To)
	}
	// A link to an ordinal whose put is lost must not meet the next one that gets the ordinal.
	s.next = max(s.next, op.Ord+1, op.To+1)
}
