package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/node/record"
)

// maxRereads bounds how often a read starts again because the memory changed under it.
const maxRereads = 100

// Read calls fn with the current value of ord. v is valid only during the call. ErrNotFound if ord is not
// alive; an error that wraps record.ErrCorrupt if its bytes are damaged.
func (s *Space) Read(ord record.Ord, fn func(v record.Value) error) error {
	for range maxRereads {
		if err := s.Err(); err != nil {
			return err
		}
		v, version := s.inMemory(ord)
		switch {
		case version == 0:
			return ErrNotFound
		case v != nil:
			return fn(v)
		}
		again := false
		found, err := s.fromBase(ord, func(v record.Value) error {
			if again = v.Version() != version; again {
				return nil
			}
			return fn(v)
		})
		if err != nil {
			return s.failed(err)
		}
		if found && !again {
			return nil
		}
		// A checkpoint finished between the two looks, or the memory changed: look again.
	}
	return fmt.Errorf("%w: ordinal %d has another version in the base than in memory", record.ErrCorrupt, ord)
}

func (s *Space) fromBase(ord record.Ord, fn func(record.Value) error) (found bool, err error) {
	snap, err := s.snapshot()
	if err != nil {
		return false, err
	}
	defer snap.release()
	return snap.get(ord, func(v record.Value) error {
		if err := v.Check(ord); err != nil {
			s.isolate(err)
			return err
		}
		return fn(v)
	})
}

// inMemory returns the version of ord, zero if it is not alive, and its value if a memtable has it.
func (s *Space) inMemory(ord record.Ord) (record.Value, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	version := s.index.version(ord)
	if version == 0 {
		return nil, 0
	}
	if v, ok := s.active.value(ord); ok {
		return v, version
	}
	if s.frozen != nil {
		if v, ok := s.frozen.value(ord); ok {
			return v, version
		}
	}
	return nil, version
}

// Scan calls fn with the value of each memory above after, ordinals ascending, until fn returns false or an
// error. What changes meanwhile is seen as it is when the scan comes by. A damaged value is offered as nil with
// the damage, so that it is never left out silently.
func (s *Space) Scan(ctx context.Context, after record.Ord, fn func(ord record.Ord, v record.Value, damage error) (bool, error)) error {
	for ord := after + 1; ord < s.Limit(); ord++ {
		if ord%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.Version(ord) == 0 {
			continue
		}
		more, called := true, false
		err := s.Read(ord, func(v record.Value) (err error) {
			called = true
			more, err = fn(ord, v, nil)
			return err
		})
		switch {
		case !called && errors.Is(err, record.ErrCorrupt):
			more, err = fn(ord, nil, err)
		case !called && errors.Is(err, ErrNotFound):
			continue
		}
		if err != nil || !more {
			return err
		}
	}
	return s.Err()
}
