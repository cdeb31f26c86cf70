package store

import (
	"slices"
	"sync"

	"github.com/engramd/engramd/node/record"
)

// A writer is what the batches do that are on their way: one may be placed while the one before it is synced and made
// visible. Nobody else sees a batch before it is durable, but the next one builds upon it.
type writer struct {
	store *Store

	mu      sync.Mutex // all below, and of spaces what is said to be the writer's
	batches []*batch   // the oldest first
	spare   []*batch
}

// A batch is a batch of the log that is placed, and not yet visible.
type batch struct{ drafts []*draft }

// Begin implements wal.Applier: what is placed from now on is another batch.
func (w *writer) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &batch{}
	if n := len(w.spare); n > 0 {
		b, w.spare = w.spare[n-1], w.spare[:n-1]
	}
	w.batches = append(w.batches, b)
}

// draft returns what the batch that is being placed does to s.
func (w *writer) draft(s *Space) *draft {
	b := w.batches[len(w.batches)-1]
	if s.draft != nil && s.draft.batch == b {
		return s.draft
	}
	d := s.spareDraft
	if d == nil {
		d = &draft{space: s, versions: map[record.Ord]uint64{}}
	}
	s.spareDraft = nil
	d.batch, d.before, d.next = b, s.draft, s.next
	s.draft = d
	b.drafts = append(b.drafts, d)
	return d
}

// place gives c its place in the log, or refuses it: then there is no op, and r says why. The op is valid until the next one is
// placed.
func (w *writer) place(s *Space, c *Change, lsn uint64, r *Result) *record.Op {
	if err := s.Err(); err != nil {
		*r = Result{Err: err}
		return nil
	}
	d := w.draft(s)
	op := d.add(&c.key)
	*op = record.Op{Kind: c.Kind, Space: s.id, LSN: lsn, Ord: c.Ord, To: c.To, Weight: c.Weight, Access: c.Access}
	err := d.resolve(c, op)
	if err == nil {
		switch c.Kind {
		case record.Put:
			err = d.put(c, op)
		case record.Delete:
			d.remove(c, op)
		case record.Free:
			if !s.dead[op.Ord] {
				err = ErrNotFound
			}
		default:
			err = asInvalid(op.Check())
		}
	}
	if err != nil {
		*r = Result{Ord: op.Ord, Version: d.version(op.Ord), Err: err}
		d.takeBack()
		return nil
	}
	*r = Result{Ord: op.Ord, Version: op.LSN}
	return op
}

// Commit implements wal.Applier: the oldest batch is durable, and becomes visible.
func (w *writer) Commit() {
	w.mu.Lock()
	b := w.batches[0]
	w.mu.Unlock()
	last := w.store.applied.Load()
	for _, d := range b.drafts {
		if len(d.ops) > 0 {
			last = max(last, d.ops[len(d.ops)-1].LSN)
		}
		d.space.commit(w, d)
	}
	w.end(b)
	w.store.applied.Store(last)
}

// Abort implements wal.Applier: nothing of the oldest batch has happened. Nothing is placed before the ones behind it are
// aborted, too.
func (w *writer) Abort() {
	w.mu.Lock()
	b := w.batches[0]
	for _, d := range b.drafts {
		s := d.space
		s.next = min(s.next, d.next)
		if s.draft != d && s.draft != nil {
			s.draft.next = s.next // of the one behind, which took its ordinals above those of this one
		}
		s.free = append(s.free, d.taken...)
		d.leave()
	}
	w.mu.Unlock()
	w.end(b)
}

// end lets go of a batch, which is the oldest one.
func (w *writer) end(b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range b.drafts {
		d.reset()
		d.space.spareDraft = d
	}
	clear(b.drafts)
	b.drafts = b.drafts[:0]
	w.batches = slices.Delete(w.batches, 0, 1)
	w.spare = append(w.spare, b)
}
