package store

import (
	"hash/maphash"
	"unsafe"

	"github.com/engramd/engramd/node/record"
)

// An index is what is resident of every memory of a space: its id, its ordinal and its version. It holds no
// pointers, so that a million of them cost the garbage collector nothing. The writer alone changes it, under the lock of
// the space; the writer alone may also read it without.
type index struct {
	rows  []row  // by ordinal
	slots []slot // open addressing by hash of the id
	used  int    // slots that are not empty
	live  int
	ids   arena
	seed  maphash.Seed
}

type row struct {
	version uint64 // 0: not alive
	id      ref
}

// A slot is an ordinal and half of its id's hash, so that a look at another id's slot ends there. Zero is empty.
type slot uint64

const (
	gone     = slot(record.MaxOrd + 1) // it was used
	minSlots = 64
)

func (s slot) ord() record.Ord { return record.Ord(s) }

func newIndex() *index {
	return &index{rows: make([]row, 1, 64), slots: make([]slot, minSlots), seed: maphash.MakeSeed()}
}

// lookup returns the ordinal of id, or zero.
func (x *index) lookup(id string) record.Ord {
	packed, uuid := record.PackUUID(id)
	h := maphash.String(x.seed, id)
	for i := x.home(h); ; i = x.after(i) {
		switch s := x.slots[i]; {
		case s == 0:
			return 0
		case s>>32 != slot(h>>32) || s == gone:
		case uuid && is(&x.ids, x.rows[s.ord()].id, packed[:], true), !uuid && is(&x.ids, x.rows[s.ord()].id, id, false):
			return s.ord()
		}
	}
}

// version returns the version of ord, zero if it is not alive.
func (x *index) version(ord record.Ord) uint64 {
	if int(ord) >= len(x.rows) {
		return 0
	}
	return x.rows[ord].version
}

// put makes ord alive under id, which no other ordinal has, or gives it another version.
func (x *index) put(ord record.Ord, id string, version uint64) {
	x.reach(ord)
	if r := &x.rows[ord]; r.version != 0 {
		r.version = version
		return
	}
	if (x.used+1)*4 > len(x.slots)*3 {
		x.rehash()
	}
	x.rows[ord] = row{version: version, id: x.ids.add(id)}
	x.place(ord, id)
	x.used++
	x.live++
}

// replay is put for an op that the base may be ahead of: its id may have moved on to another ordinal since.
func (x *index) replay(ord record.Ord, id string, version uint64) {
	if old := x.lookup(id); old != 0 && old != ord {
		x.remove(old)
	}
	x.put(ord, id, version)
}

// remove makes ord dead.
func (x *index) remove(ord record.Ord) {
	if x.version(ord) == 0 {
		return
	}
	for i := x.home(maphash.String(x.seed, x.id(ord))); ; i = x.after(i) {
		if s := x.slots[i]; s != gone && s.ord() == ord {
			x.slots[i] = gone
			break
		}
	}
	x.ids.drop(x.rows[ord].id)
	x.rows[ord] = row{}
	x.live--
}

// reach makes room for ord.
func (x *index) reach(ord record.Ord) {
	for int(ord) >= len(x.rows) {
		x.rows = append(x.rows, row{})
	}
}

func (x *index) id(ord record.Ord) string { return x.ids.get(x.rows[ord].id) }

func (x *index) home(hash uint64) int { return int(hash & uint64(len(x.slots)-1)) }

func (x *index) after(i int) int { return (i + 1) & (len(x.slots) - 1) }

func (x *index) place(ord record.Ord, id string) {
	h := maphash.String(x.seed, id)
	i := x.home(h)
	for x.slots[i] != 0 {
		i = x.after(i)
	}
	x.slots[i] = slot(h>>32)<<32 | slot(ord)
}

// rehash makes the slots at most half full.
func (x *index) rehash() {
	n := minSlots
	for n < 2*(x.live+1) {
		n *= 2
	}
	x.slots = make([]slot, n)
	x.used = x.live
	for ord := range x.rows {
		if x.rows[ord].version != 0 {
			x.place(record.Ord(ord), x.id(record.Ord(ord)))
		}
	}
}

// bytes returns what the index takes.
func (x *index) bytes() int64 {
	n := int64(cap(x.rows))*int64(unsafe.Sizeof(row{})) + int64(cap(x.slots))*int64(unsafe.Sizeof(slot(0)))
	for _, c := range x.ids.chunks {
		n += int64(cap(c))
	}
	return n
}
