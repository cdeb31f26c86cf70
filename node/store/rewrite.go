package store

import (
	"errors"
	"fmt"

	"github.com/engramd/engramd/node/record"
	"go.etcd.io/bbolt"
)

// DropVectors makes the memories of a base that nobody has open ones without vectors: those of a space that becomes one of another
// dimension.
func DropVectors(file string) error {
	return rewrite(file, func(ord record.Ord, v record.Value) record.Value {
		if v.VectorVersion() == 0 {
			return nil
		}
		return v.Rewrite(ord, v.Version(), 0)
	})
}

// lowerVersions gives the memories of a base that comes from another node versions that this one has given already. Its own
// writes will then have higher ones: an LSN that is given here later must not be the version of something old.
func lowerVersions(file string, limit uint64) error {
	return rewrite(file, func(ord record.Ord, v record.Value) record.Value {
		if v.Version() <= limit {
			return nil
		}
		return v.Rewrite(ord, limit, v.VectorVersion())
	})
}

// rewrite replaces each value for which change returns another one, in key order. Damaged values stay as they are.
func rewrite(file string, change func(record.Ord, record.Value) record.Value) error {
	b, err := openBase(file, 0)
	if err != nil {
		return err
	}
	after := []byte{}
	for after != nil && err == nil {
		err = b.update(func(tx *baseTx) (err error) {
			after, err = rewriteSome(tx.tx.Bucket(bucketRecords), after, change)
			return err
		})
	}
	if err := errors.Join(err, b.close()); err != nil {
		return fmt.Errorf("rewrite %s: %w", file, err)
	}
	return nil
}

// rewriteSome looks at the next values behind the key after, and returns the last key; nil at the end.
func rewriteSome(b *bbolt.Bucket, after []byte, change func(record.Ord, record.Value) record.Value) ([]byte, error) {
	type changed struct{ key, value []byte }
	var todo []changed
	var last []byte
	c, n := b.Cursor(), 0
	k, v := c.Seek(append(after, 0))
	for ; k != nil && n < perTx; k, v = c.Next() {
		n++
		last = append(last[:0], k...)
		ord, err := keyOrd(k)
		if err != nil {
			return nil, err
		}
		if record.Value(v).Check(ord) != nil {
			continue
		}
		if w := change(ord, record.Value(v)); w != nil {
			todo = append(todo, changed{append([]byte(nil), k...), w})
		}
	}
	for _, w := range todo {
		if err := b.Put(w.key, w.value); err != nil {
			return nil, err
		}
	}
	if k == nil {
		return nil, nil
	}
	return last, nil
}
