package store

import (
	"maps"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// A baseWriter brings a memtable into the base of a space and carries the base's state from transaction to
// transaction.
type baseWriter struct {
	space    *Space
	memtable *memtable
	state    state
}

// commit does change, which may be nil, and sets the state, in one transaction.
func (w *baseWriter) commit(applied uint64, change func(*baseTx) error) error {
	before := w.state
	err := w.space.base.Load().update(func(tx *baseTx) error {
		if change != nil {
			if err := change(tx); err != nil {
				return err
			}
		}
		w.state.applied = applied
		meta, err := tx.in(bucketMeta)
		if err != nil {
			return err
		}
		return meta.putSealed(keyState, w.state.append(nil))
	})
	if err != nil {
		w.state = before
		return err
	}
	w.space.state = w.state
	w.space.applied.Store(w.state.applied)
	return nil
}

func (w *baseWriter) value(tx *baseTx, ord record.Ord) error {
	b, err := tx.in(bucketRecords)
	if err != nil {
		return err
	}
	key := ordKey(ord)
	v, _ := w.memtable.value(ord)
	there := false
	if ord < w.state.next { // none was there above
		old, err := b.get(key)
		if err != nil {
			return err
		}
		there = old != nil
	}
	w.state.next = max(w.state.next, ord+1)
	if v == nil {
		if there {
			w.state.count--
			w.state.hashes -= keyHash(ord)
		}
		return b.delete(key)
	}
	if !there {
		w.state.count++
		w.state.hashes += keyHash(ord)
	}
	return b.put(key, v)
}

// A source is a memory from which edges lead that changed.
type source struct {
	from record.Ord
	keys []edgeKey // ascending
}

// sources returns the sources whose edges changed, ascending.
func (m *memtable) sources() []source {
	keys := slices.Sorted(maps.Keys(m.edges))
	wiped := slices.Sorted(maps.Keys(m.wiped))
	var out []source
	for len(keys)+len(wiped) > 0 {
		var s source
		if len(wiped) == 0 || len(keys) > 0 && keys[0].from() < wiped[0] {
			s.from = keys[0].from()
		} else {
			s.from, wiped = wiped[0], wiped[1:]
		}
		n := 0
		for n < len(keys) && keys[n].from() == s.from {
			n++
		}
		s.keys, keys = keys[:n:n], keys[n:]
		out = append(out, s)
	}
	return out
}

func (w *baseWriter) source(tx *baseTx, s source) error {
	b, err := tx.in(bucketEdges)
	if err != nil {
		return err
	}
	key, m := ordKey(s.from), w.memtable
	var old []EdgeTo
	if _, wiped := m.wiped[s.from]; !wiped {
		if old, err = w.edgesOf(b, key); err != nil {
			return err
		}
	}
	changes := make([]edgeChange, 0, len(s.keys))
	for _, k := range s.keys {
		w.state.next = max(w.state.next, k.from()+1, k.to()+1)
		if d := m.edges[k]; !m.void(k, d) {
			changes = append(changes, edgeChange{k.to(), d})
		}
	}
	edges := mergeEdges(make([]EdgeTo, 0, len(old)+len(changes)), old, changes)
	if len(edges) == 0 {
		return b.delete(key)
	}
	return b.putSealed(key, appendEdges(nil, edges))
}

func (w *baseWriter) edgesOf(b *bucketTx, key []byte) ([]EdgeTo, error) {
	sealed, err := b.get(key)
	if sealed == nil || err != nil {
		return nil, err
	}
	plain, err := unseal("edges", key, sealed)
	var edges []EdgeTo
	if err == nil {
		edges, err = readEdges(nil, plain)
	}
	if err != nil {
		w.space.isolate(err)
		return nil, nil
	}
	return edges, nil
}

// accessPages returns the memories whose access changed, by page.
func (m *memtable) accessPages() [][]record.Ord {
	ords := slices.Sorted(maps.Keys(m.access))
	var out [][]record.Ord
	for len(ords) > 0 {
		n := 1
		for n < len(ords) && pageOf(ords[n]) == pageOf(ords[0]) {
			n++
		}
		out = append(out, ords[:n:n])
		ords = ords[n:]
	}
	return out
}

func (w *baseWriter) accessPage(tx *baseTx, ords []record.Ord) error {
	b, err := tx.in(bucketAccess)
	if err != nil {
		return err
	}
	key := ordKey(pageOf(ords[0]))
	sealed, err := b.get(key)
	if err != nil {
		return err
	}
	var page []byte
	if sealed != nil {
		old, err := unseal("access", key, sealed)
		if err != nil {
			w.space.isolate(err)
		}
		page = slices.Clone(old)
	}
	for _, ord := range ords {
		page = setAccess(page, ord, w.memtable.access[ord])
	}
	return b.putSealed(key, page)
}

func (w *baseWriter) dead(tx *baseTx, ord record.Ord) error {
	b, err := tx.in(bucketDead)
	if err != nil {
		return err
	}
	if w.memtable.dead[ord] {
		return b.putSealed(ordKey(ord), nil)
	}
	return b.delete(ordKey(ord))
}
