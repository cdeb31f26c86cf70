package graph

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/engramd/engramd/node/record"
)

// An Edge is the end of an edge in 6 bytes: two halves of the target, because a field of 4 bytes would align
// it to 8.
type Edge struct {
	low, high uint16
	weight    record.Weight
}

const edgeBytes = int(unsafe.Sizeof(Edge{}))

func makeEdge(to record.Ord, w record.Weight) Edge {
	return Edge{low: uint16(to), high: uint16(to >> 16), weight: w}
}

// To returns the memory that the edge leads to.
func (e Edge) To() record.Ord { return record.Ord(e.low) | record.Ord(e.high)<<16 }

// Weight returns the weight and the kind of the edge.
func (e Edge) Weight() record.Weight { return e.weight }

// rank orders the edges of a source: the strongest first, whatever their kind, and the lowest target first
// among those that are equally strong.
func (e Edge) rank() uint64 {
	w := int64(e.weight)
	if w < 0 {
		w = -w
	}
	return uint64(int64(record.WeightOne)-w)<<32 | uint64(e.To())
}

// valid tells whether a graph may hold an edge: no memory leads to itself, and zero is no memory.
func valid(from, to record.Ord, w record.Weight) bool {
	return from != 0 && to != 0 && from != to && from <= record.MaxOrd && to <= record.MaxOrd && w.Valid()
}

func compareRank(a, b Edge) int { return cmp.Compare(a.rank(), b.rank()) }

// short is up to where rows are sorted by insertion, which is what nearly all are.
const short = 24

// rank sorts the edges of a source.
func rank(row []Edge) {
	if len(row) > short {
		slices.SortFunc(row, compareRank)
		return
	}
	for i := 1; i < len(row); i++ {
		e := row[i]
		key, j := e.rank(), i
		for ; j > 0 && row[j-1].rank() > key; j-- {
			row[j] = row[j-1]
		}
		row[j] = e
	}
}
