package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/pages"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// A baseTx changes the base. Whatever bbolt will read for that is inspected before.
type baseTx struct {
	tx      *bbolt.Tx
	inspect *pages.Inspector
	note    func(bucket, key []byte)
	buckets []*bucketTx
}

// A bucketTx is a bucket within a baseTx.
type bucketTx struct {
	*baseTx
	name   []byte
	bucket *bbolt.Bucket
	place  pages.Bucket
}

// in returns the bucket called name.
func (t *baseTx) in(name []byte) (*bucketTx, error) {
	for _, b := range t.buckets {
		if bytes.Equal(b.name, name) {
			return b, nil
		}
	}
	place, err := t.inspect.Bucket(name)
	if err != nil {
		return nil, err
	}
	b := &bucketTx{baseTx: t, name: name, bucket: t.tx.Bucket(name), place: place}
	b.bucket.FillPercent = fillPages
	t.buckets = append(t.buckets, b)
	return b, nil
}

func (b *bucketTx) get(key []byte) ([]byte, error) {
	if err := b.inspect.Key(b.place, key); err != nil {
		return nil, err
	}
	return b.bucket.Get(key), nil
}

func (b *bucketTx) put(key, value []byte) error {
	if err := b.inspect.Key(b.place, key); err != nil {
		return err
	}
	if b.note != nil {
		b.note(b.name, key)
	}
	return b.bucket.Put(key, value)
}

func (b *bucketTx) putSealed(key, value []byte) error {
	return b.put(key, appendSealed(nil, key, value))
}

func (b *bucketTx) delete(key []byte) error {
	if err := b.inspect.Key(b.place, key); err != nil {
		return err
	}
	if b.note != nil {
		b.note(b.name, key)
	}
	return b.bucket.Delete(key)
}

// update changes the base: all that fn does, durable when it returns nil, or nothing. What fn returns is returned as it is.
// An error of the disk wraps ErrFull if it is one of room, and the next update may succeed; after any other what the disk has
// is unknown, and it and all later ones wrap ErrReadOnly.
func (b *base) update(fn func(*baseTx) error) error {
	if p := b.stopped.Load(); p != nil {
		return *p
	}
	tree, err := b.tree()
	if err != nil {
		return err
	}
	var own error
	err = b.guard(func() error {
		return b.db.Update(func(tx *bbolt.Tx) error {
			if own = b.fill(tx, tree, fn); own != nil || b.fault == nil {
				return own
			}
			return b.fault()
		})
	})
	switch {
	case err == nil:
		return b.refresh()
	case own != nil || errors.Is(err, pages.ErrDamaged):
		return err
	case errors.Is(err, bbolterrors.ErrMaxSizeReached):
		return fmt.Errorf("%w: %s has outgrown its map, restart the node: %w", ErrFull, b.path, err)
	case outOfRoom(err) && b.unchanged(tree):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	err = fmt.Errorf("%w: write %s: %w", ErrReadOnly, b.path, err)
	b.stopped.Store(&err)
	return err
}

// unchanged tells whether the base is as it was: a meta page that could not be written may be there all the same, in the kernel's
// cache if not on the disk.
func (b *base) unchanged(before pages.Tree) bool {
	now, err := b.tree()
	return err == nil && now.Info().Txid == before.Info().Txid
}

func (b *base) fill(tx *bbolt.Tx, tree pages.Tree, fn func(*baseTx) error) error {
	if last := uint64(tx.ID()) - 1; last != tree.Info().Txid {
		return fmt.Errorf("%w: transaction %d and not %d is the last one", pages.ErrDamaged, tree.Info().Txid, last)
	}
	inspect, err := tree.Inspect()
	if err != nil {
		return err
	}
	return fn(&baseTx{tx: tx, inspect: inspect, note: b.note})
}

// outOfRoom tells whether bbolt could not write for lack of room. A sync that fails so is another matter: what it was to make
// durable may be gone. bbolt wraps the error of a write, not that of making the file longer.
func outOfRoom(err error) bool {
	if _, ok := errors.AsType[*fs.PathError](err); ok && disk.IsFull(err) {
		return true
	}
	if errors.Is(err, bbolterrors.ErrMaxSizeReached) {
		return true
	}
	text := err.Error()
	if !strings.HasPrefix(text, "file resize error") {
		return false
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if strings.HasSuffix(text, full.Error()) {
			return true
		}
	}
	return false
}

// room says it in the words of this package if err is for lack of room.
func room(err error) error {
	if disk.IsFull(err) && !errors.Is(err, ErrFull) && !errors.Is(err, ErrReadOnly) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
