package store

import (
	"context"
	"slices"
	"testing"

	"github.com/engramd/engramd/node/record"
)

// A keeper is a view that has the vector of one memory.
type keeper struct {
	View
	ord    record.Ord
	vector []float32
}

func (k keeper) Get(_ context.Context, ord record.Ord, _ uint64) ([]float32, error) {
	if ord == k.ord {
		return k.vector, nil
	}
	return nil, nil
}

// TestWhatIsSetApartHasItsVectors: every op can be read again, and brings the vector that the memtable's value speaks of, be it set by that
// write or by one before it; where no view has it any more, the value says that there is none.
func TestWhatIsSetApartHasItsVectors(t *testing.T) {
	sealed := func(ord record.Ord, id string, version, vectorVersion uint64, vector []float32) record.Value {
		v := record.Value(record.AppendValue(nil, &record.Memory{ID: id, Content: id, Vector: vector}, vectorVersion))
		v.Seal(ord, version)
		return v
	}
	vector := []float32{1, 2, 3}
	for name, v := range map[string]record.Value{
		"this write":     sealed(1, "a", 7, 0, vector),
		"a write before": sealed(1, "a", 7, 5, nil),
	} {
		m := newMemtable(1)
		m.values[1] = v
		m.values[2] = sealed(2, "b", 8, 0, vector) // lost
		s := &Space{id: 3, views: []View{keeper{ord: 1, vector: vector}}}
		got := map[record.Ord]record.Op{}
		for rest := m.appendOps(nil, s); len(rest) > 0; {
			op, after, err := record.NextOp(rest)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := op.Value.Check(op.Ord); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got[op.Ord], rest = op, after
		}
		if !slices.Equal(got[1].Vector, vector) || len(got[2].Vector) > 0 {
			t.Errorf("%s: vectors %v and %v; want %v and none", name, got[1].Vector, got[2].Vector, vector)
		}
		if got[1].Value.VectorVersion() != 7 || got[2].Value.VectorVersion() != 0 {
			t.Errorf("%s: vector versions %d and %d", name, got[1].Value.VectorVersion(), got[2].Value.VectorVersion())
		}
	}
}
