package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
	"go.etcd.io/bbolt"
)

// A snapshot is the base as of its last commit, shared by all who read it meanwhile. One transaction for all of them costs a
// read nothing, and lets no reader wait in bbolt for ever should bbolt stop in the middle of something.
type snapshot struct {
	base    *base
	tx      *bbolt.Tx
	tree    pages.Tree
	records pages.Bucket
	meta    pages.Bucket
	refs    atomic.Int64
}

// tree reads what the file says of itself, without bbolt.
func (b *base) tree() (tree pages.Tree, err error) {
	info, err := b.file.Stat()
	if err != nil {
		return tree, err
	}
	err = caught(func() error {
		start := b.db.Info().Data // the beginning of a map that stays until close
		data := unsafe.Slice(*(**byte)(unsafe.Pointer(&start)), info.Size())
		tree, err = pages.NewTree(data)
		return err
	})
	return tree, err
}

// refresh makes what was committed last visible to readers.
func (b *base) refresh() error {
	s := &snapshot{base: b}
	s.refs.Store(1)
	tree, err := b.tree()
	if err != nil {
		return err
	}
	s.tree = tree
	if err := b.guard(func() (err error) { s.tx, err = b.db.Begin(false); return err }); err != nil {
		return err
	}
	err = caught(func() (err error) {
		if id := uint64(s.tx.ID()); id != tree.Info().Txid {
			return fmt.Errorf("%w: transaction %d and not %d is the last one", pages.ErrDamaged, id, tree.Info().Txid)
		}
		if s.records, err = tree.Bucket(bucketRecords); err != nil {
			return err
		}
		s.meta, err = tree.Bucket(bucketMeta)
		return err
	})
	if err != nil {
		s.release()
		return err
	}
	b.mu.Lock()
	old := b.current
	b.current = s
	b.mu.Unlock()
	if old != nil {
		old.release()
	}
	return nil
}

// acquire returns the last snapshot, which the caller releases.
func (b *base) acquire() (*snapshot, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.current == nil {
		return nil, fmt.Errorf("%s: %w", b.path, os.ErrClosed)
	}
	b.current.refs.Add(1)
	return b.current, nil
}

// snapshot returns the base as of its last commit; the caller releases it.
func (s *Space) snapshot() (*snapshot, error) {
	for {
		b := s.base.Load()
		snap, err := b.acquire()
		if errors.Is(err, os.ErrClosed) && s.base.Load() != b {
			continue // a compaction came between
		}
		return snap, err
	}
}

func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 && !s.base.panicked.Load() {
		_ = s.base.guard(s.tx.Rollback) // a read transaction has nothing to lose
	}
}

// get calls fn with the bytes under ord, which are valid during the call; found tells whether there are any.
func (s *snapshot) get(ord record.Ord, fn func(record.Value) error) (found bool, err error) {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], uint64(ord))
	err = s.read(func() error {
		value, err := s.tree.Get(s.records, key[:])
		if value == nil || err != nil {
			return err
		}
		found = true
		return fn(record.Value(value))
	})
	return found, err
}

// walk checks every page of the snapshot and shows every entry. It reads the file, not the map: nothing can fault.
func (s *snapshot) walk(r io.ReaderAt, visit func(bucket, key, value []byte) error) error {
	return pages.WalkAs(r, s.tree.Info(), known(visit))
}

// read runs fn, which reads the map.
func (s *snapshot) read(fn func() error) error { return caught(fn) }

// caught runs fn and turns a fault of the map (the file is shorter than it was, the disk cannot be read) into an error.
func caught(fn func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		p := recover()
		if p == nil {
			return
		}
		fault, ok := p.(interface{ Addr() uintptr })
		if !ok {
			panic(p)
		}
		err = fmt.Errorf("%w: the file cannot be read at %#x of memory", pages.ErrDamaged, fault.Addr())
	}()
	return fn()
}

// guard runs fn, which asks bbolt, and turns what a damaged file does to bbolt into an error: panics, and faults of its map.
func (b *base) guard(fn func() error) (err error) {
	if b.panicked.Load() {
		return fmt.Errorf("%w: bbolt stopped before", pages.ErrDamaged)
	}
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			b.panicked.Store(true)
			err = fmt.Errorf("%w: bbolt stopped: %v", pages.ErrDamaged, p)
		}
	}()
	return fn()
}
