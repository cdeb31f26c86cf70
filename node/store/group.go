package store

import (
	"fmt"

	"github.com/engramd/engramd/node/record"
)

// A group is what one caller applies: it goes into one batch of the log.
type group struct {
	space   *Space
	changes []Change
	results []Result
}

// opOverhead is at least what an op takes in the log besides value and vector.
const opOverhead = 48

// Size implements wal.Group.
func (g *group) Size() int {
	n := 0
	for i := range g.changes {
		n += opOverhead + len(g.changes[i].Value) + 4*len(g.changes[i].Vector)
	}
	return n
}

// Place implements wal.Group: it runs in the writer.
func (g *group) Place(lsn uint64, dst []byte) ([]byte, int) {
	w := &g.space.store.writer
	n := 0
	for i := range g.changes {
		op, err := w.place(g.space, &g.changes[i], lsn+uint64(n))
		g.results[i] = Result{Ord: op.Ord, Version: op.LSN, Err: err}
		if err != nil {
			g.results[i].Version = g.space.index.version(op.Ord)
			continue
		}
		dst = record.AppendOp(dst, &op)
		n++
		if op.Kind == record.Put && !g.changes[i].Access.LastAt.IsZero() {
			touch := record.Op{Kind: record.Touch, Space: op.Space, LSN: lsn + uint64(n), Ord: op.Ord, Access: g.changes[i].Access}
			w.drafts[g.space].ops = append(w.drafts[g.space].ops, touch)
			dst = record.AppendOp(dst, &touch)
			n++
		}
	}
	return dst, n
}

// A writer is the state of the only goroutine that changes spaces: what the batch that is being made has
// done so far. Nobody else sees it before the batch is durable.
type writer struct {
	store  *Store
	drafts map[*Space]*draft
	order  []*Space // of drafts
}

// A draft is what a batch does to one space.
type draft struct {
	ops      []record.Op
	ids      map[string]record.Ord // zero: deleted
	versions map[record.Ord]uint64
	fresh    []uint64     // versions of the ordinals from next on
	next     record.Ord   // as it was before the batch
	taken    []record.Ord // from the free ones
	begun    bool
}

func (w *writer) draft(s *Space) *draft {
	d := w.drafts[s]
	if d == nil {
		d = &draft{ids: map[string]record.Ord{}, versions: map[record.Ord]uint64{}}
		w.drafts[s] = d
	}
	if !d.begun {
		w.order = append(w.order, s)
		d.begun, d.next = true, s.next
	}
	return d
}

// lookup returns what id and its version will be when all before it in the batch is done.
func (d *draft) lookup(s *Space, id string) (record.Ord, uint64) {
	ord, ok := d.ids[id]
	if !ok {
		ord = s.index.lookup(id)
	}
	return ord, d.version(s, ord)
}

func (d *draft) version(s *Space, ord record.Ord) uint64 {
	if i := int(ord) - int(d.next); i >= 0 && i < len(d.fresh) {
		return d.fresh[i]
	}
	if v, ok := d.versions[ord]; ok {
		return v
	}
	return s.index.version(ord)
}

// place gives c its place in the log, or refuses it. On refusal the op carries the ordinal that is there.
func (w *writer) place(s *Space, c *Change, lsn uint64) (op record.Op, err error) {
	if err := s.Err(); err != nil {
		return op, err
	}
	d := w.draft(s)
	op = record.Op{Kind: c.Kind, Space: s.id, LSN: lsn, Ord: c.Ord, To: c.To, Weight: c.Weight, Access: c.Access}
	if err := d.resolve(s, c, &op); err != nil {
		return op, err
	}
	switch c.Kind {
	case record.Put:
		if err = d.checkPut(c); err == nil {
			err = d.put(s, c, &op)
		}
	case record.Delete:
		err = d.remove(s, c, &op)
	case record.Free:
		if !s.dead[op.Ord] {
			err = ErrNotFound
		}
	default:
		err = asInvalid(op.Check())
	}
	if err == nil {
		d.ops = append(d.ops, op)
	}
	return op, err
}

// asInvalid turns what cannot be logged into the caller's fault.
func asInvalid(err error) error {
	if err == nil {
		return nil
	}
	return &record.InvalidError{Field: "change", Reason: err.Error()}
}

// resolve turns ids into ordinals, and checks that what the change needs is there.
func (d *draft) resolve(s *Space, c *Change, op *record.Op) error {
	var version uint64
	if c.ID != "" {
		op.Ord, version = d.lookup(s, c.ID)
	} else {
		version = d.version(s, op.Ord)
	}
	if c.ToID != "" {
		op.To, _ = d.lookup(s, c.ToID)
		if op.To == 0 {
			return fmt.Errorf("%w: %s", ErrNotFound, c.ToID)
		}
	}
	if c.IfVersion != 0 && version != c.IfVersion && version != 0 {
		return ErrVersion
	}
	switch c.Kind {
	case record.Put, record.Free:
		return nil
	case record.Unlink: // the graph unlinks what is dead
		if op.Ord != 0 {
			return nil
		}
	case record.Link, record.Strengthen:
		if version != 0 && op.Ord == op.To {
			return &record.InvalidError{Field: "to", Reason: "an edge cannot lead to where it begins"}
		}
		if d.version(s, op.To) == 0 {
			return ErrNotFound
		}
	}
	if version == 0 || c.Kind == record.Delete && c.ID == "" && s.index.version(op.Ord) == 0 {
		return ErrNotFound
	}
	return nil
}

// checkPut tells whether the value is one that can be read again, and of this id.
func (d *draft) checkPut(c *Change) error {
	op := record.Op{Kind: record.Put, Ord: 1, Value: c.Value, Vector: c.Vector}
	if err := asInvalid(op.Check()); err != nil {
		return err
	}
	if string(c.Value.ID()) != c.ID {
		return &record.InvalidError{Field: "id", Reason: "is not that of the value"}
	}
	return nil
}

func (d *draft) put(s *Space, c *Change, op *record.Op) error {
	switch {
	case op.Ord != 0 && c.IfAbsent:
		return ErrExists
	case op.Ord == 0 && c.IfVersion != 0:
		return ErrNotFound
	case op.Ord == 0:
		ord, ok := d.take(s)
		if !ok {
			return fmt.Errorf("%w: the space has no ordinal left", ErrFull)
		}
		op.Ord = ord
	}
	c.Value.Seal(op.Ord, op.LSN)
	op.Value, op.Vector = c.Value, c.Vector
	d.ids[c.ID] = op.Ord
	d.setVersion(op.Ord, op.LSN)
	return nil
}

func (d *draft) setVersion(ord record.Ord, version uint64) {
	if i := int(ord) - int(d.next); i >= 0 && i < len(d.fresh) {
		d.fresh[i] = version
		return
	}
	d.versions[ord] = version
}

// take returns an ordinal for a new memory.
func (d *draft) take(s *Space) (record.Ord, bool) {
	if n := len(s.free); n > 0 {
		ord := s.free[n-1]
		s.free = s.free[:n-1]
		d.taken = append(d.taken, ord)
		return ord, true
	}
	if s.next > record.MaxOrd {
		return 0, false
	}
	s.next++
	d.fresh = append(d.fresh, 0)
	return s.next - 1, true
}

func (d *draft) remove(s *Space, c *Change, op *record.Op) error {
	id := c.ID
	if id == "" {
		id = s.index.id(op.Ord)
	}
	d.ids[id] = 0
	d.setVersion(op.Ord, 0)
	return nil
}

// Commit implements wal.Applier: the batch is durable, and becomes visible.
func (w *writer) Commit() {
	last := w.store.applied.Load()
	for _, s := range w.order {
		d := w.drafts[s]
		if len(d.ops) > 0 {
			s.apply(d.ops, s.index.put)
			last = max(last, d.ops[len(d.ops)-1].LSN)
		}
		d.reset()
	}
	w.order = w.order[:0]
	w.store.applied.Store(last)
}

// Abort implements wal.Applier: nothing of the batch has happened.
func (w *writer) Abort() {
	for _, s := range w.order {
		d := w.drafts[s]
		s.next = d.next
		s.free = append(s.free, d.taken...)
		d.reset()
	}
	w.order = w.order[:0]
}

func (d *draft) reset() {
	clear(d.ops)
	d.ops, d.taken, d.fresh = d.ops[:0], d.taken[:0], d.fresh[:0]
	clear(d.ids)
	clear(d.versions)
	d.begun = false
}
