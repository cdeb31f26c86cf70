package graph

import (
	"cmp"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// An edit is what a batch does to one edge of a source.
type edit struct {
	to       record.Ord
	was, now record.Weight // zero: no edge
	ops      []uint64      // the places of its ops in the batch, with the target above them; nil: unlink
	of       []record.Op
}

// settle works out now.
func (e *edit) settle() {
	e.now = 0
	if len(e.ops) > 0 {
		e.now = e.was
	}
	for _, key := range e.ops {
		switch op := &e.of[uint32(key)]; op.Kind {
		case record.Link:
			e.now = op.Weight
		case record.Unlink:
			e.now = 0
		case record.Strengthen:
			if e.now != 0 {
				e.now = op.Weight
			}
		}
	}
}

// find looks for a target. Most are of one edit, or beside all.
func find(edits []edit, to record.Ord) (int, bool) {
	n := len(edits)
	if n == 0 || to < edits[0].to || to > edits[n-1].to {
		return 0, false
	}
	if n == 1 {
		return 0, true
	}
	return slices.BinarySearchFunc(edits, to, func(e edit, to record.Ord) int { return cmp.Compare(e.to, to) })
}

// A scratch keeps the room that batches need while they are made.
type scratch struct {
	sources []uint64 // source, place of the op
	targets []uint64 // target, place of the op
	edits   []edit
	ranked  []Edge
}

// keepScratch bounds the room that is kept from batch to batch.
const keepScratch = 1 << 16

func (s *scratch) trim() {
	clear(s.edits) // they point to ops, which belong to the store
	if cap(s.sources) > keepScratch || cap(s.ranked) > keepScratch {
		*s = scratch{}
	}
	s.sources, s.edits = s.sources[:0], s.edits[:0]
}
