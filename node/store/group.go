package store

import "github.com/engramd/engramd/node/record"

// A group is what one caller applies: it goes into one batch of the log.
type group struct {
	space   *Space
	changes []Change
	results []Result
	one     [1]Result // most groups are of one change
}

func newGroup(s *Space, changes []Change) *group {
	g := &group{space: s, changes: changes}
	g.results = g.one[:]
	if len(changes) != 1 {
		g.results = make([]Result, len(changes))
	}
	return g
}

// prepare does what needs nobody else, so that the writer has less to do.
func (g *group) prepare() {
	for i := range g.changes {
		c := &g.changes[i]
		if c.ID != "" {
			c.key = g.space.index.key(c.ID)
		}
		if c.ToID != "" {
			c.toKey = g.space.index.key(c.ToID)
		}
		if c.Kind == record.Put {
			c.invalid = checkPut(c)
		}
	}
}

// checkPut tells whether the value is one that can be read again, and of this id.
func checkPut(c *Change) error {
	op := record.Op{Kind: record.Put, Ord: 1, Value: c.Value, Vector: c.Vector}
	if err := asInvalid(op.Check()); err != nil {
		return err
	}
	if string(c.Value.ID()) != c.ID {
		return &record.InvalidError{Field: "id", Reason: "is not that of the value"}
	}
	return nil
}

// asInvalid turns what cannot be logged into the caller's fault.
func asInvalid(err error) error {
	if err == nil {
		return nil
	}
	return &record.InvalidError{Field: "change", Reason: err.Error()}
}

// opOverhead is at least what a change takes in the log besides value and vector: a put with a touch behind it takes 52.
const opOverhead = 64

// Size implements wal.Group.
func (g *group) Size() int {
	n := 0
	for i := range g.changes {
		n += opOverhead + len(g.changes[i].Value) + 4*len(g.changes[i].Vector)
	}
	return n
}

// Place implements wal.Group.
func (g *group) Place(lsn uint64, dst []byte) ([]byte, int) {
	w := &g.space.store.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	var refused error // what the last change without With was refused with
	for i := range g.changes {
		c, r := &g.changes[i], &g.results[i]
		if c.With && refused != nil {
			*r = Result{Err: refused}
			continue
		}
		op := w.place(g.space, c, lsn+uint64(n), r)
		if !c.With {
			refused = r.Err
		}
		if op == nil {
			continue
		}
		dst = record.AppendOp(dst, op)
		n++
		if op.Kind == record.Put && !c.Access.LastAt.IsZero() {
			touch := record.Op{Kind: record.Touch, Space: op.Space, LSN: op.LSN + 1, Ord: op.Ord, Access: c.Access}
			op = g.space.draft.add(&idKey{})
			*op = touch
			dst = record.AppendOp(dst, op)
			n++
		}
	}
	return dst, n
}
