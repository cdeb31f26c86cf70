package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// perTx is how many records a transaction of a checkpoint changes at most.
const perTx = 2000

// Checkpoint writes what the space's memtable holds into the base and returns the LSN up to which the base is
// complete then.
func (s *Space) Checkpoint(ctx context.Context) (uint64, error) {
	if err := s.Err(); err != nil {
		return 0, err
	}
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	return s.checkpoint(ctx)
}

// checkpoint is Checkpoint for whoever holds baseMu.
func (s *Space) checkpoint(ctx context.Context) (uint64, error) {
	for {
		m, left := s.freeze()
		if m == nil {
			return s.applied.Load(), nil
		}
		if err := s.write(ctx, m); err != nil {
			return 0, s.failed(fmt.Errorf("checkpoint of space %s: %w", s.Name(), err))
		}
		s.thaw(m)
		if !left {
			return m.last, nil
		}
	}
}

// freeze returns the memtable to be written: the active one, or one that an earlier try left.
func (s *Space) freeze() (m *memtable, left bool) {
	s.feeding.Lock() // a batch that is in the memtable is in the views, too, before they are asked to make it durable
	defer s.feeding.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen != nil {
		return s.frozen, true
	}
	if s.active.empty() {
		return nil, false
	}
	s.frozen = s.active
	s.frozen.last = s.last
	s.active = s.emptied()
	return s.frozen, false
}

// halfWritten tells whether an earlier checkpoint ended in the middle, and left the base with some of what came after its LSN. Whoever
// asks holds baseMu.
func (s *Space) halfWritten() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.frozen != nil
}

func (s *Space) thaw(m *memtable) {
	s.mu.Lock()
	s.frozen = nil
	s.mu.Unlock()
	s.store.memory.Add(-m.bytes)
	s.store.room.signal()
}

// write brings m into the base, keys ascending, in transactions of at most perTx changes; the last one says
// that everything up to m.last is there. Cut in between, the base has some of m already: replaying the log
// over it ends in the same state.
func (s *Space) write(ctx context.Context, m *memtable) error {
	for _, v := range s.views {
		if err := v.Checkpoint(m.last); err != nil {
			return err
		}
	}
	w := &baseWriter{space: s, memtable: m, state: s.state}
	if err := inChunks(ctx, w, m.ords(), w.value); err != nil {
		return err
	}
	if err := inChunks(ctx, w, m.sources(), w.source); err != nil {
		return err
	}
	if err := inChunks(ctx, w, m.accessPages(), w.accessPage); err != nil {
		return err
	}
	if err := inChunks(ctx, w, slices.Sorted(maps.Keys(m.dead)), w.dead); err != nil {
		return err
	}
	return w.commit(m.last, nil)
}

// inChunks calls change for each key, in as many transactions as it takes.
func inChunks[K any](ctx context.Context, w *baseWriter, keys []K, change func(*baseTx, K) error) error {
	for chunk := range slices.Chunk(keys, perTx) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := w.commit(w.space.state.applied, func(tx *baseTx) error {
			for _, k := range chunk {
				if err := change(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxLeft is how many segments of former runs may wait for the next checkpoint. Every run begins one: who is killed again and again would fill
// the disk.
const maxLeft = 4

// checkpoints runs until ctx ends: when the memtables or the log ask for it, and every interval.
func (st *Store) checkpoints(ctx context.Context) {
	tick := time.NewTicker(st.opts.CheckpointEvery)
	defer tick.Stop()
	if st.log.Stats().SealedPending > maxLeft {
		st.requestCheckpoint()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-st.wanted:
		}
		st.noteCheckpoint(st.Checkpoint(ctx))
		if err := st.checkpointFailure(); err != nil {
			pause(ctx, st.opts.WAL.Retry)
			if errors.Is(err, ErrFull) {
				st.requestCheckpoint() // the log takes no room until it succeeds
			}
		}
	}
}

// pause waits between two tries of what failed.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Checkpoint writes all memtables into their bases and lets go of the log's segments that nobody needs any more.
func (st *Store) Checkpoint(ctx context.Context) error {
	// Everything up to here is in the spaces' memtables; what is in them is in the bases below.
	lsn := st.applied.Load()
	var errs error
	for _, s := range st.open() {
		_, err := s.Checkpoint(ctx)
		if s.Err() != nil {
			err = s.setApart()
		}
		errs = errors.Join(errs, err)
	}
	if errs != nil {
		return room(errs)
	}
	if err := st.release(ctx, lsn); err != nil {
		return room(fmt.Errorf("release the log: %w", err))
	}
	return nil
}
