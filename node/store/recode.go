package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// A Recoded is a memory whose value is now stored in another way.
type Recoded struct {
	Ord     record.Ord
	Version uint64
}

// Recode offers the stored values of ords, which must ascend, to change, and stores what it returns (made by
// [record.Value.Recode]; nil: leave it) in transactions of at most 2,000, beside readers. Memories that are not in the base in
// their current version yet are left out: the checkpoint stores them plain. done is called after each transaction.
func (s *Space) Recode(ctx context.Context, ords []record.Ord,
	change func(ord record.Ord, v record.Value) (record.Value, error), done func([]Recoded)) error {
	for chunk := range slices.Chunk(ords, perTx) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		recoded, err := s.recode(chunk, change)
		if err != nil {
			return s.failed(fmt.Errorf("recode in space %s: %w", s.Name(), err))
		}
		done(recoded)
	}
	return nil
}

func (s *Space) recode(ords []record.Ord, change func(record.Ord, record.Value) (record.Value, error)) ([]Recoded, error) {
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	if err := s.Err(); err != nil {
		return nil, err
	}
	var recoded []Recoded
	err := s.base.Load().update(func(tx *baseTx) error {
		b, err := tx.in(bucketRecords)
		if err != nil {
			return err
		}
		for _, ord := range ords {
			key := ordKey(ord)
			old, err := b.get(key)
			if err != nil {
				return err
			}
			v := record.Value(old)
			if v == nil || v.Check(ord) != nil || v.Version() != s.Version(ord) {
				continue
			}
			version := v.Version()
			n, err := change(ord, v)
			if err != nil {
				return err
			}
			if n == nil {
				continue
			}
			if err := b.put(key, n); err != nil {
				return err
			}
			recoded = append(recoded, Recoded{ord, version})
		}
		return nil
	})
	return recoded, err
}

// SetMeta keeps a small value with the base, durable when it returns: what a view must know again after a restart.
func (s *Space) SetMeta(name string, value []byte) error {
	if name == string(keyState) {
		return fmt.Errorf("meta %s belongs to the store", name)
	}
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	if err := s.Err(); err != nil {
		return err
	}
	return s.failed(s.base.Load().update(func(tx *baseTx) error {
		meta, err := tx.in(bucketMeta)
		if err != nil {
			return err
		}
		return meta.putSealed([]byte(name), value)
	}))
}

// Meta returns what SetMeta kept, nil if nothing. While a space is being loaded it has nothing yet: ask in Loaded.
func (s *Space) Meta(name string) ([]byte, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	snap, err := s.snapshot()
	if err != nil {
		return nil, s.failed(err)
	}
	defer snap.release()
	var value []byte
	err = snap.read(func() error {
		sealed, err := snap.tree.Get(snap.meta, []byte(name))
		if sealed == nil || err != nil {
			return err
		}
		plain, err := unseal("meta", []byte(name), sealed)
		value = bytes.Clone(plain)
		return err
	})
	return value, s.failed(err)
}

// CopyBase writes the base as it is at one moment to w, beside readers and writers, and returns the LSN up to which it is
// complete. before, if not nil, is called when that moment is fixed and no checkpoint can pass it until before returns: the
// time to fix what views keep in files.
func (s *Space) CopyBase(w io.Writer, before func(lsn uint64) error) (lsn uint64, err error) {
	if err := s.Err(); err != nil {
		return 0, err
	}
	snap, lsn, err := s.hold(before)
	if err != nil {
		return 0, s.failed(err)
	}
	defer snap.release()
	_, err = snap.tx.WriteTo(w) // reads the file, not the map
	return lsn, err
}

// hold returns the base as it is now and the LSN up to which it is complete. What a checkpoint left half-written is written first: with
// some of it the base would be of no moment at all.
func (s *Space) hold(before func(lsn uint64) error) (*snapshot, uint64, error) {
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	if err := s.Err(); err != nil {
		return nil, 0, err
	}
	if s.halfWritten() {
		if _, err := s.checkpoint(context.Background()); err != nil {
			return nil, 0, err
		}
	}
	lsn := s.state.applied
	if before != nil {
		if err := before(lsn); err != nil {
			return nil, 0, err
		}
	}
	snap, err := s.snapshot()
	return snap, lsn, err
}

// Size returns the bytes of the base's file, and how many of them hold something.
func (s *Space) Size() (file, used int64, err error) {
	if err := s.Err(); err != nil {
		return 0, 0, err
	}
	snap, err := s.snapshot()
	if err != nil {
		return 0, 0, s.failed(err)
	}
	defer snap.release()
	stats := snap.base.db.Stats()
	info := snap.tree.Info()
	file = int64(info.Pages) * int64(info.PageSize)
	return file, file - int64(stats.FreePageN+stats.PendingPageN)*int64(info.PageSize), nil
}
