package store_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A mirror is a view that keeps everything it is told, so that tests can compare what two lives of a store say.
type mirror struct {
	mu     sync.Mutex
	values map[record.Ord]uint64 // version
	edges  map[[2]record.Ord]record.Weight
	access map[record.Ord]record.Access
	lsn    uint64
	closed bool
	faults []string
}

func newMirror() *mirror {
	return &mirror{
		values: map[record.Ord]uint64{}, edges: map[[2]record.Ord]record.Weight{}, access: map[record.Ord]record.Access{},
	}
}

func (m *mirror) LoadValue(ord record.Ord, v record.Value) { m.values[ord] = v.Version() }

func (m *mirror) LoadEdges(from record.Ord, edges []store.EdgeTo) {
	for _, e := range edges {
		m.edges[[2]record.Ord{from, e.To}] = e.Weight
	}
}

func (m *mirror) LoadAccess(ord record.Ord, a record.Access) { m.access[ord] = a }
func (m *mirror) Loaded() error                              { return nil }
func (m *mirror) Checkpoint(uint64) error                    { return nil }

func (m *mirror) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *mirror) Apply(ops []record.Op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		m.faults = append(m.faults, "applied after close")
	}
	for _, op := range ops {
		if op.LSN <= m.lsn {
			m.faults = append(m.faults, fmt.Sprintf("LSN %d after %d", op.LSN, m.lsn))
		}
		m.lsn = op.LSN
		m.apply(op)
	}
}

func (m *mirror) apply(op record.Op) {
	edge := [2]record.Ord{op.Ord, op.To}
	switch op.Kind {
	case record.Put:
		m.values[op.Ord] = op.LSN
	case record.Delete:
		delete(m.values, op.Ord)
		delete(m.access, op.Ord)
		maps.DeleteFunc(m.edges, func(k [2]record.Ord, _ record.Weight) bool { return k[0] == op.Ord })
	case record.Link:
		m.edges[edge] = op.Weight
	case record.Unlink:
		delete(m.edges, edge)
	case record.Strengthen:
		if _, ok := m.edges[edge]; ok {
			m.edges[edge] = op.Weight
		}
	case record.Touch:
		m.access[op.Ord] = op.Access
	}
}

// tell returns everything but what a restart may forget: edges to what is dead.
func (m *mirror) tell() (lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ord, v := range m.values {
		lines = append(lines, fmt.Sprintf("memory %d version %d access %v", ord, v, m.access[ord]))
	}
	for k, w := range m.edges {
		lines = append(lines, fmt.Sprintf("edge %d %d weight %d", k[0], k[1], w))
	}
	slices.Sort(lines)
	return append(lines, m.faults...)
}
