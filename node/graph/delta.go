package graph

import (
	"math/bits"
	"slices"
	"unsafe"
)

// A delta holds the rows of the sources of a chunk that changed since its base was made.
type delta struct {
	leaves [words]*leaf
	rows   int
	edges  int   // in those rows
	bytes  int64 // of it all
	owner  uint64
}

// A leaf holds the changed rows of 64 neighbouring sources: one for each bit of the mask.
type leaf struct {
	mask  uint64
	rows  []*row
	owner uint64
}

// A row is what a source's edges became. It is never changed: merging tells by its address whether the base
// has it already.
type row struct{ edges []Edge }

const (
	deltaBytes = int64(unsafe.Sizeof(delta{}))
	leafBytes  = int64(unsafe.Sizeof(leaf{}))
	rowBytes   = int64(unsafe.Sizeof(row{}))
)

func (l *leaf) bytes() int64 { return leafBytes + 8*int64(cap(l.rows)) }
func (r *row) bytes() int64  { return rowBytes + int64(edgeBytes)*int64(cap(r.edges)) }

func newDelta(owner uint64) *delta { return &delta{owner: owner, bytes: deltaBytes} }

// row returns the changed row of a source, nil if it did not change.
func (d *delta) row(local uint32) *row {
	l := d.leaves[local/64]
	if l == nil {
		return nil
	}
	return l.row(local % 64)
}

func (l *leaf) row(i uint32) *row {
	bit := uint64(1) << i
	if l.mask&bit == 0 {
		return nil
	}
	return l.rows[bits.OnesCount64(l.mask&(bit-1))]
}

// set changes the row of a source. The delta must belong to owner; its leaves are copied if they do not.
func (d *delta) set(local uint32, r *row, owner uint64) {
	l := d.own(local/64, owner)
	before := l.bytes()
	bit := uint64(1) << (local % 64)
	i := bits.OnesCount64(l.mask & (bit - 1))
	if l.mask&bit != 0 {
		old := l.rows[i]
		d.rows, d.edges, d.bytes = d.rows-1, d.edges-len(old.edges), d.bytes-old.bytes()
		l.rows[i] = r
	} else {
		l.mask |= bit
		l.rows = slices.Insert(l.rows, i, r)
	}
	d.rows, d.edges = d.rows+1, d.edges+len(r.edges)
	d.bytes += r.bytes() + l.bytes() - before
}

// own returns the leaf number i, which owner may change.
func (d *delta) own(i uint32, owner uint64) *leaf {
	l := d.leaves[i]
	switch {
	case l == nil:
		l = &leaf{owner: owner}
		d.bytes += l.bytes()
	case l.owner == owner:
		return l
	default:
		d.bytes -= l.bytes()
		// Room for one more: a leaf is copied because a row is coming.
		l = &leaf{mask: l.mask, rows: append(make([]*row, 0, len(l.rows)+1), l.rows...), owner: owner}
		d.bytes += l.bytes()
	}
	d.leaves[i] = l
	return l
}

// clone returns a copy that owner may change.
func (d *delta) clone(owner uint64) *delta {
	n := *d
	n.owner = owner
	return &n
}

// since returns what d has and merged did not have yet, nil if that is nothing.
func (d *delta) since(merged *delta) *delta {
	switch merged {
	case d:
		return nil
	case nil:
		return d
	}
	n := newDelta(0)
	for i, l := range d.leaves {
		if l != nil && l != merged.leaves[i] {
			n.leaf(uint32(i), l, merged.leaves[i])
		}
	}
	if n.rows == 0 {
		return nil
	}
	return n
}

// leaf takes the rows of l that old does not have.
func (d *delta) leaf(i uint32, l, old *leaf) {
	for bit := range uint32(64) {
		r := l.row(bit)
		if r == nil || old != nil && old.row(bit) == r {
			continue
		}
		d.set(i*64+bit, r, d.owner)
	}
}
