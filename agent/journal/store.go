package journal

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// The buckets. A name is part of each record's checksum: renaming one loses its records.
var (
	bucketMeta      = []byte("meta")
	bucketActions   = []byte("actions")
	bucketDecisions = []byte("decisions")
	bucketLedgers   = []byte("ledgers")
	bucketFreezes   = []byte("freezes")
	bucketPauses    = []byte("pauses")
	bucketOriginals = []byte("originals")
	bucketAside     = []byte("aside") // records that could not be read
)

var buckets = [][]byte{bucketMeta, bucketActions, bucketDecisions, bucketLedgers, bucketFreezes, bucketPauses, bucketOriginals, bucketAside}

// guarded runs f and turns a panic of bbolt, or a fault of its memory map, into ErrDamaged: a broken
// page must be an answer, not the end of the agent.
func (j *Journal) guarded(f func() error) (err error) {
	if j.broken.Load() {
		return fmt.Errorf("%w: a page of it could not be read earlier: restart engramd", ErrDamaged)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			j.broken.Store(true)
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}

// FailWrites has every write ask first, with what it is about to write ("put actions <id>"), and fail
// with the answer: so that tests can fill the disk at any one of them. Nil asks no more.
func (j *Journal) FailWrites(ask func(what string) error) {
	if ask == nil {
		j.ask.Store(nil)
		return
	}
	j.ask.Store(&ask)
}

// update runs f in one transaction and syncs it.
func (j *Journal) update(what string, f func(tx *bolt.Tx) error) error {
	if ask := j.ask.Load(); ask != nil {
		if err := (*ask)(what); err != nil {
			return fmt.Errorf("journal: %s: %w", what, err)
		}
	}
	if err := j.guarded(func() error { return j.db.Update(f) }); err != nil {
		return fmt.Errorf("journal: %s: %w", what, err)
	}
	return nil
}

// view runs f in one read transaction.
func (j *Journal) view(what string, f func(tx *bolt.Tx) error) error {
	if err := j.guarded(func() error { return j.db.View(f) }); err != nil {
		return fmt.Errorf("journal: %s: %w", what, err)
	}
	return nil
}

// putRecord writes v under key.
func putRecord(tx *bolt.Tx, bucket []byte, key string, v any) error {
	raw, err := encode(bucket, []byte(key), v)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put([]byte(key), raw)
}

// getRecord reads the record under key, and wraps ErrNotFound if there is none.
func getRecord[T any](tx *bolt.Tx, bucket []byte, key string) (T, error) {
	var v T
	raw := tx.Bucket(bucket).Get([]byte(key))
	if raw == nil {
		return v, fmt.Errorf("%s %q: %w", bucket, key, ErrNotFound)
	}
	if err := decode(bucket, []byte(key), raw, &v); err != nil {
		return v, fmt.Errorf("%s %q: %w", bucket, key, err)
	}
	return v, nil
}

// records yields every record of a bucket that can be read; the others were reported at Open.
func records[T any](tx *bolt.Tx, bucket []byte) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		c := tx.Bucket(bucket).Cursor()
		for k, raw := c.First(); k != nil; k, raw = c.Next() {
			var v T
			if err := decode(bucket, k, raw, &v); err != nil {
				continue
			}
			if !yield(string(k), v) {
				return
			}
		}
	}
}

// putOne writes one record in a transaction of its own.
func (j *Journal) putOne(bucket []byte, key string, v any) error {
	if key == "" {
		return fmt.Errorf("journal: put %s: empty key", bucket)
	}
	return j.update("put "+string(bucket)+" "+key, func(tx *bolt.Tx) error {
		return putRecord(tx, bucket, key, v)
	})
}

// getOne reads one record; ok is false if there is none.
func getOne[T any](j *Journal, bucket []byte, key string) (v T, ok bool, err error) {
	err = j.view("get "+string(bucket)+" "+key, func(tx *bolt.Tx) (err error) {
		v, err = getRecord[T](tx, bucket, key)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return v, false, nil
	}
	return v, err == nil, err
}

// allOf reads every record of a bucket, in the order of their keys.
func allOf[T any](j *Journal, bucket []byte) ([]T, error) {
	var all []T
	err := j.view("list "+string(bucket), func(tx *bolt.Tx) error {
		for _, v := range records[T](tx, bucket) {
			all = append(all, v)
		}
		return nil
	})
	return all, err
}

// dropOne deletes one record; deleting none is fine.
func (j *Journal) dropOne(bucket []byte, key string) error {
	return j.update("delete "+string(bucket)+" "+key, func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).Delete([]byte(key))
	})
}
