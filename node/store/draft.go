package store

import (
	"fmt"

	"github.com/engramd/engramd/node/record"
)

// A draft is what a batch does to one space. Whoever uses it holds the writer's lock.
type draft struct {
	space    *Space
	batch    *batch
	before   *draft // what the batch before, which is not visible yet, does to the space; or nil
	ops      []record.Op
	keys     []idKey // of the puts among ops
	ids      draftIDs
	versions map[record.Ord]uint64
	fresh    []uint64     // versions of the ordinals from next on
	next     record.Ord   // as it was before the batch
	taken    []record.Ord // from the free ones
}

// lookup returns what id and its version will be when all before it is done.
func (d *draft) lookup(id string, k *idKey) (record.Ord, uint64) {
	for e := d; e != nil; e = e.before {
		if ord, ok := e.ids.find(id, k.hash); ok {
			return ord, d.version(ord)
		}
	}
	ord := d.space.index.find(id, k)
	return ord, d.version(ord)
}

func (d *draft) version(ord record.Ord) uint64 {
	for e := d; e != nil; e = e.before {
		if i := int(ord) - int(e.next); i >= 0 && i < len(e.fresh) {
			return e.fresh[i]
		}
		if v, ok := e.versions[ord]; ok {
			return v
		}
	}
	return d.space.index.version(ord)
}

func (d *draft) setVersion(ord record.Ord, version uint64) {
	if i := int(ord) - int(d.next); i >= 0 && i < len(d.fresh) {
		d.fresh[i] = version
		return
	}
	d.versions[ord] = version
}

// add makes room for an op. key is that of its id if it is a put.
func (d *draft) add(key *idKey) *record.Op {
	d.ops, d.keys = append(d.ops, record.Op{}), append(d.keys, *key)
	return &d.ops[len(d.ops)-1]
}

// takeBack removes the op that was added last.
func (d *draft) takeBack() {
	n := len(d.ops) - 1
	d.ops[n] = record.Op{}
	d.ops, d.keys = d.ops[:n], d.keys[:n]
}

// resolve turns ids into ordinals, and checks that what the change needs is there.
func (d *draft) resolve(c *Change, op *record.Op) error {
	var version uint64
	if c.ID != "" {
		op.Ord, version = d.lookup(c.ID, &c.key)
	} else {
		version = d.version(op.Ord)
	}
	if c.ToID != "" {
		op.To, _ = d.lookup(c.ToID, &c.toKey)
		if op.To == 0 {
			return fmt.Errorf("%w: %s", ErrNotFound, c.ToID)
		}
	}
	if c.IfVersion != 0 && version != c.IfVersion && version != 0 {
		return ErrVersion
	}
	for _, e := range c.Expect {
		if d.version(e.Ord) != e.Version {
			return ErrVersion
		}
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
		if d.version(op.To) == 0 {
			return ErrNotFound
		}
	}
	if version == 0 || c.Kind == record.Delete && c.ID == "" && d.space.index.version(op.Ord) == 0 {
		return ErrNotFound
	}
	return nil
}

func (d *draft) put(c *Change, op *record.Op) error {
	switch {
	case c.invalid != nil:
		return c.invalid
	case op.Ord != 0 && c.IfAbsent:
		return ErrExists
	case op.Ord == 0 && c.IfVersion != 0:
		return ErrNotFound
	case op.Ord == 0:
		ord, ok := d.take()
		if !ok {
			return fmt.Errorf("%w: the space has no ordinal left", ErrFull)
		}
		op.Ord = ord
	}
	c.Value.Seal(op.Ord, op.LSN)
	op.Value, op.Vector = c.Value, c.Vector
	d.ids.set(c.ID, c.key.hash, op.Ord)
	d.setVersion(op.Ord, op.LSN)
	return nil
}

// take returns an ordinal for a new memory.
func (d *draft) take() (record.Ord, bool) {
	s := d.space
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

func (d *draft) remove(c *Change, op *record.Op) {
	id, hash := c.ID, c.key.hash
	if id == "" {
		id = d.space.index.id(op.Ord)
		hash = d.space.index.key(id).hash
	}
	d.ids.set(id, hash, 0)
	d.setVersion(op.Ord, 0)
}

// leave takes the draft out of the way of those behind it: it is visible, or will never be.
func (d *draft) leave() {
	if d.space.draft == d {
		d.space.draft = nil
		return
	}
	for e := d.space.draft; e != nil; e = e.before {
		if e.before == d {
			e.before = nil
		}
	}
}

func (d *draft) reset() {
	clear(d.ops)
	d.ops, d.keys, d.taken, d.fresh = d.ops[:0], d.keys[:0], d.taken[:0], d.fresh[:0]
	d.ids.reset()
	clear(d.versions)
	d.batch, d.before = nil, nil
}
