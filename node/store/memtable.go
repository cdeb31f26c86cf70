package store

import "github.com/engramd/engramd/node/record"

// A memtable holds what of a space's log the base lacks: for each key the newest state, never a history.
type memtable struct {
	values map[record.Ord]record.Value // nil: deleted
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

func (m *memtable) empty() bool {
	return len(m.values)+len(m.edges)+len(m.access)+len(m.dead) == 0
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

func (m *memtable) setValue(ord record.Ord, v record.Value) {
	old, ok := m.values[ord]
	if !ok {
		m.bytes += valueCost
	}
	m.bytes += int64(len(v) - len(old))
	m.values[ord] = v
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
