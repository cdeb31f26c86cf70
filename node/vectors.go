package node

import (
	"context"
	"errors"
	"os"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/vector"
)

// A ReadOption says what of a memory need not be read.
type ReadOption uint8

const (
	// WithoutVector leaves vectors out: they are most of the bytes of a memory that has one.
	WithoutVector ReadOption = iota + 1
	// AsAccess makes a Get count as an access, as a recall of activation 1 does. Otherwise only recalls count: who looks
	// what there is, copies or exports it does not warm it.
	AsAccess
)

// Vectors returns the vectors of a space.
func (n *Node) Vectors(space string) (*vector.View, error) {
	s, err := n.store.Space(space)
	if err != nil {
		return nil, err
	}
	return viewsOf(s).vectors, s.Err()
}

// addVector reads the vector of m, which is ord. It is false if the memory changed since m was read.
func addVector(ctx context.Context, s *store.Space, ord record.Ord, m *Memory) (same bool, err error) {
	vector, err := viewsOf(s).vectors.Get(ctx, ord, m.Version)
	if gone := s.Err(); gone != nil {
		return false, gone
	}
	if s.Version(ord) != m.Version {
		return false, nil
	}
	if errors.Is(err, os.ErrClosed) {
		err = ErrClosed
	}
	m.Vector = vector
	return true, err
}

// addVectors reads the vectors of listed memories. One that changed meanwhile is read again, one that is gone or whose vector is
// damaged left out.
func (n *Node) addVectors(ctx context.Context, s *store.Space, ords []record.Ord, ms []Memory, keep func(*Memory) bool) ([]Memory, error) {
	out := ms[:0]
	for i := range ms {
		m := ms[i]
		same, err := addVector(ctx, s, ords[i], &m)
		if err == nil && !same {
			m, err = n.load(ctx, s, ords[i], nil)
			if err == nil && (m.ID != ms[i].ID || m.Redirect != "" || keep != nil && !keep(&m)) {
				continue
			}
		}
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		default:
			out = append(out, m)
		}
	}
	return out, nil
}
