package graph

import (
	"iter"

	"github.com/engramd/engramd/node/record"
)

// A Snapshot is the graph after some batch of ops. It never changes, may be kept and may be read by any number
// of goroutines.
type Snapshot struct {
	chunks []*chunk
	nodes  int
	edges  int
	dead   int
}

func (s *Snapshot) chunk(number int) *chunk {
	if number < len(s.chunks) {
		return s.chunks[number]
	}
	return empty
}

// Alive tells whether ord is a memory that was not deleted.
func (s *Snapshot) Alive(ord record.Ord) bool {
	number, local := split(ord)
	return number < len(s.chunks) && s.chunks[number].alive.has(local)
}

// Edges returns the edges that leave from a memory: weight descending, whatever their kind, then target ascending.
// Some may be dead ends: their target is not [Snapshot.Alive], and whoever reads the first n edges means the first n that
// are not. The slice must not be changed.
func (s *Snapshot) Edges(from record.Ord) []Edge {
	number, local := split(from)
	if number >= len(s.chunks) {
		return nil
	}
	return s.chunks[number].row(local)
}

// Weight returns the weight of an edge; false if there is none. An edge to a deleted memory is none.
func (s *Snapshot) Weight(from, to record.Ord) (record.Weight, bool) {
	if !s.Alive(to) {
		return 0, false
	}
	return s.weight(from, to)
}

func (s *Snapshot) weight(from, to record.Ord) (record.Weight, bool) {
	for _, e := range s.Edges(from) {
		if e.To() == to {
			return e.weight, true
		}
	}
	return 0, false
}

// Incoming returns the sources of the edges that lead to a memory, ascending, and their weights.
func (s *Snapshot) Incoming(to record.Ord) iter.Seq2[record.Ord, record.Weight] {
	return func(yield func(record.Ord, record.Weight) bool) {
		if !s.Alive(to) {
			return
		}
		for from, w := range s.incoming(to) {
			if !yield(from, w) {
				return
			}
		}
	}
}

// incoming is Incoming of memories that are deleted, too.
func (s *Snapshot) incoming(to record.Ord) iter.Seq2[record.Ord, record.Weight] {
	return func(yield func(record.Ord, record.Weight) bool) {
		number, local := split(to)
		for _, from := range s.chunk(number).sources(nil, local) {
			if w, ok := s.weight(from, to); ok && !yield(from, w) {
				return
			}
		}
	}
}
