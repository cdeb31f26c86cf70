package graph

import (
	"unsafe"

	"github.com/engramd/engramd/node/record"
)

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
	chunkMask = chunkSize - 1
	words     = chunkSize / 64
)

// A bitmap has a bit for each memory of a chunk.
type bitmap [words]uint64

func (b *bitmap) has(local uint32) bool { return b[local/64]>>(local%64)&1 != 0 }
func (b *bitmap) set(local uint32)      { b[local/64] |= 1 << (local % 64) }
func (b *bitmap) clear(local uint32)    { b[local/64] &^= 1 << (local % 64) }

// A chunk holds what belongs to 4,096 neighbouring ordinals. It is immutable once published.
type chunk struct {
	base  out    // first, with delta: what a spread reads of a source is on one cache line
	delta *delta // nil: nothing changed since the base was made
	alive bitmap

	in    in
	added []arrival // sources that came since in was made; versions of a chunk share its array
	stale int       // edges that went since in was made: at most so many of its entries are wrong

	dead  *bitmap // deleted, and not yet swept and freed; nil: none
	owner uint64  // the batch that may change it still, before it is published
}

const chunkBytes = int64(unsafe.Sizeof(chunk{}))

// empty stands for all chunks without content.
var empty = &chunk{}

// An out holds the edges of the sources of a chunk, source after source. Sources at and above len(start)-1 have none.
type out struct {
	start []uint32
	edges []Edge
}

func (o *out) row(local uint32) []Edge {
	if i := int(local); i+1 < len(o.start) {
		return o.edges[o.start[i]:o.start[i+1]]
	}
	return nil
}

// row returns the edges that leave from a memory, ranked.
func (c *chunk) row(local uint32) []Edge {
	if c.delta != nil {
		if r := c.delta.row(local); r != nil {
			return r.edges
		}
	}
	return c.base.row(local)
}

func (c *chunk) isDead(local uint32) bool { return c.dead != nil && c.dead.has(local) }

func (c *chunk) setDead(local uint32) {
	if c.dead == nil {
		c.dead = new(bitmap)
	}
	c.dead.set(local)
}

// clone returns a copy that owner may change.
func (c *chunk) clone(owner uint64) *chunk {
	n := *c
	n.owner = owner
	if c.dead != nil {
		d := *c.dead
		n.dead = &d
	}
	return &n
}

// bytes returns what the chunk holds in memory.
func (c *chunk) bytes() int64 {
	if c == empty {
		return 0
	}
	n := chunkBytes + 4*int64(cap(c.base.start)+cap(c.in.start)+cap(c.in.from)) +
		int64(edgeBytes)*int64(cap(c.base.edges)) + arrivalBytes*int64(cap(c.added))
	if c.dead != nil {
		n += words * 8
	}
	if c.delta != nil {
		n += c.delta.bytes
	}
	return n
}

// split says where an ordinal lives.
func split(ord record.Ord) (number int, local uint32) {
	return int(ord >> chunkBits), uint32(ord & chunkMask)
}

func join(number int, local uint32) record.Ord {
	return record.Ord(number)<<chunkBits | record.Ord(local)
}
