package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// A freshWriter fills a base that nobody else sees, in transactions of bounded size that are not synced.
type freshWriter struct {
	ctx  context.Context
	base *base
	tx   *bbolt.Tx
	size int
	last []byte
	to   *bbolt.Bucket
}

func (w *freshWriter) begin() error {
	w.size, w.last, w.to = 0, nil, nil
	return w.base.guard(func() (err error) { w.tx, err = w.base.db.Begin(true); return err })
}

// put stores value, or deletes key if value is nil.
func (w *freshWriter) put(bucket, key, value []byte) error {
	if w.size += len(key) + len(value) + 64; w.size > compactTxBytes {
		if err := w.commit(); err != nil {
			return err
		}
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	if !bytes.Equal(bucket, w.last) {
		w.last = bytes.Clone(bucket)
		if w.to = w.tx.Bucket(bucket); w.to == nil {
			return fmt.Errorf("there is no bucket %q in a new base", bucket)
		}
		w.to.FillPercent = fillPages
	}
	if value == nil {
		return w.to.Delete(key)
	}
	return w.to.Put(key, bytes.Clone(value)) // bbolt keeps it until the commit
}

func (w *freshWriter) commit() error {
	tx := w.tx
	w.tx = nil
	return w.base.guard(tx.Commit)
}

// end commits, or takes back after an error.
func (w *freshWriter) end(err error) error {
	switch {
	case w.tx == nil:
		return err
	case err == nil:
		return w.commit()
	}
	return errors.Join(err, w.base.guard(w.tx.Rollback))
}
