package store

import (
	"maps"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// A memtable holds what of a space's log the base lacks: for each key the newest state, never a history.
type memtable struct {
	values map[record.Ord]record.Value // nil: deleted
	fresh  []record.Value              // of the ordinals from from on, which nobody had before: a row instead of a map; nil: none, or in values
	from   record.Ord
	edges  map[edgeKey]edgeDelta
	access map[record.Ord]record.Access
	dead   map[record.Ord]bool   // false: freed again
	wiped  map[record.Ord]uint32 // sources that were deleted, and when: what the base has of them is void, and older deltas are
	first  uint64                // the LSN from which time in this table counts
	last   uint64                // the LSN of the last op in it, once it is frozen
	bytes  int64
}

// An edgeKey is the source and the target of an edge.
type edgeKey uint64

func keyOf(from, to record.Ord) edgeKey { return edgeKey(from)<<32 | edgeKey(to) }
func (k edgeKey) from() record.Ord      { return record.Ord(k >> 32) }
func (k edgeKey) to() record.Ord        { return record.Ord(k) }

// An edgeDelta is a new weight, zero for an edge that is gone. Where ifThere is set it holds only if the
// base has the edge.
type edgeDelta struct {
	weight  record.Weight
	ifThere bool
	at      uint32 // when
}

// What an entry of the memtable costs besides its value: key, header and the map's own room.
const (
	valueCost  = 96
	edgeCost   = 32
	accessCost = 96
)

// maxGap is how many ordinals may be missing between two fresh ones.
const maxGap = 1024

func newMemtable(first uint64) *memtable {
	return &memtable{
		values: map[record.Ord]record.Value{},
		edges:  map[edgeKey]edgeDelta{},
		access: map[record.Ord]record.Access{},
		dead:   map[record.Ord]bool{},
		wiped:  map[record.Ord]uint32{},
		first:  first,
	}
}

// emptied returns an empty memtable for what comes now. Whoever calls it holds the lock.
func (s *Space) emptied() *memtable {
	m := newMemtable(s.last + 1)
	m.from = record.Ord(len(s.index.rows))
	return m
}

func (m *memtable) empty() bool {
	return len(m.values)+len(m.fresh)+len(m.edges)+len(m.access)+len(m.dead) == 0
}

// apply takes one op. It keeps op.Value.
func (m *memtable) apply(op *record.Op) {
	at := uint32(op.LSN - m.first)
	switch op.Kind {
	case record.Put:
		m.setValue(op.Ord, op.Value)
		m.bytes += int64(4 * len(op.Vector)) // a view holds it until the checkpoint
	case record.Delete:
		m.setValue(op.Ord, nil)
		m.setAccess(op.Ord, record.Access{})
		m.wiped[op.Ord] = at
		m.dead[op.Ord] = true
	case record.Free:
		m.dead[op.Ord] = false
	case record.Link, record.Unlink:
		m.setEdge(keyOf(op.Ord, op.To), edgeDelta{weight: op.Weight, at: at})
	case record.Strengthen:
		m.strengthen(keyOf(op.Ord, op.To), op.Weight, at)
	case record.Touch:
		m.setAccess(op.Ord, op.Access)
	}
}

func (m *memtable) setAccess(ord record.Ord, a record.Access) {
	if _, ok := m.access[ord]; !ok {
		m.bytes += accessCost
	}
	m.access[ord] = a
}

// value returns the value of ord, nil if it was deleted, and whether the memtable has it.
func (m *memtable) value(ord record.Ord) (record.Value, bool) {
	if i := int(ord) - int(m.from); i >= 0 && i < len(m.fresh) && m.fresh[i] != nil {
		return m.fresh[i], true
	}
	v, ok := m.values[ord]
	return v, ok
}

func (m *memtable) setValue(ord record.Ord, v record.Value) {
	old, ok := m.value(ord)
	if !ok {
		m.bytes += valueCost
	}
	m.bytes += int64(len(v) - len(old))
	i := int(ord) - int(m.from)
	if i < 0 || i > len(m.fresh)+maxGap {
		m.values[ord] = v
		return
	}
	for len(m.fresh) <= i {
		m.fresh = append(m.fresh, nil)
	}
	m.fresh[i] = v
	if v == nil {
		m.values[ord] = nil
	} else if len(m.values) > 0 {
		delete(m.values, ord)
	}
}

// ords returns the ordinals whose value changed, ascending.
func (m *memtable) ords() []record.Ord {
	ords := slices.AppendSeq(make([]record.Ord, 0, len(m.values)+len(m.fresh)), maps.Keys(m.values))
	for i, v := range m.fresh {
		if v != nil {
			ords = append(ords, m.from+record.Ord(i))
		}
	}
	if len(m.values) > 0 {
		slices.Sort(ords)
	}
	return ords
}

func (m *memtable) setEdge(k edgeKey, d edgeDelta) {
	if _, ok := m.edges[k]; !ok {
		m.bytes += edgeCost
	}
	m.edges[k] = d
}

func (m *memtable) strengthen(k edgeKey, w record.Weight, at uint32) {
	old, ok := m.edges[k]
	switch {
	case !ok || m.void(k, old):
		m.setEdge(k, edgeDelta{weight: w, ifThere: true, at: at})
	case old.weight != 0:
		m.edges[k] = edgeDelta{weight: w, ifThere: old.ifThere, at: at}
	}
}

// void tells whether the source was deleted after d.
func (m *memtable) void(k edgeKey, d edgeDelta) bool {
	at, ok := m.wiped[k.from()]
	return ok && d.at < at
}
