package vector

import (
	"context"
	"os"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// Get returns the vector that ord has once every write up to the LSN since is applied; nil if it has none. It waits for
// that, if need be: a write is in the store's index for a moment before it is here. An error that wraps record.ErrCorrupt says that the vector is
// damaged.
//
// Who read version V of a memory gets the vector of that version with since = V if the memory still has version V
// afterwards ([store.Space.Version]).
func (v *View) Get(ctx context.Context, ord record.Ord, since uint64) ([]float32, error) {
	if err := v.await(ctx, since); err != nil {
		return nil, err
	}
	vector, _, err := v.read(ord)
	return vector, err
}

// await waits until the op since was applied.
func (v *View) await(ctx context.Context, since uint64) error {
	for {
		v.mu.RLock()
		seen, closed := v.seen, v.closed
		v.mu.RUnlock()
		switch {
		case closed:
			return os.ErrClosed
		case seen >= since:
			return nil
		}
		v.mu.Lock()
		if v.seen >= since || v.closed {
			v.mu.Unlock()
			continue
		}
		if v.fed == nil {
			v.fed = make(chan struct{})
		}
		fed := v.fed
		v.mu.Unlock()
		select {
		case <-fed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// read returns a copy of the vector of ord, checked, and its row.
func (v *View) read(ord record.Ord) ([]float32, row, error) {
	for {
		v.mu.RLock()
		r, pending := v.row(ord), v.pending[ord]
		v.mu.RUnlock()
		switch {
		case r.version == 0:
			return nil, r, nil
		case r.state&isPending != 0:
			return slices.Clone(pending), r, nil
		case r.state&isDamaged != 0:
			return nil, r, damaged(ord, "it was found damaged before")
		}
		vector, err := v.fromFile(ord, r.version)
		if err == nil || v.isolate(ord, r, err) {
			return vector, r, err
		}
		// It changed meanwhile.
	}
}

// fromFile returns the vector in the slot of ord, if it is of that version and whole.
func (v *View) fromFile(ord record.Ord, version uint64) (vector []float32, err error) {
	f := v.file.Load()
	if f == nil {
		return nil, damaged(ord, "there is no vector file")
	}
	fault := f.read(func(data []byte) {
		slot := f.slot(data, ord)
		if err = f.checkSlot(slot, ord, version); err == nil {
			vector = slices.Clone(f.floats(slot))
		}
	})
	if fault != nil {
		return nil, fault
	}
	return vector, err
}

// isolate notes that the slot of ord, whose row was r, is damaged; false if the row has changed meanwhile, or the view was
// closed, so that the slot says nothing about it.
func (v *View) isolate(ord record.Ord, r row, err error) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.row(ord)
	if v.closed {
		return true // nothing is known of the slot, but nothing more will be
	}
	if now.version != r.version || now.state&isPending != 0 {
		return false
	}
	if now.state&isDamaged == 0 {
		now.state = isDamaged
		v.set(ord, now)
		v.fault(err)
	}
	return true
}
