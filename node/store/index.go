package store

import (
	"hash/maphash"
	"slices"
	"unsafe"

	"github.com/engramd/engramd/node/record"
)

// An index is what is resident of every memory of a space: its id, its ordinal and its version. It holds no
// pointers, so that a million of them cost the garbage collector nothing. It is changed under the writer's lock and that of
// the space, and read under either.
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

// A slot is an ordinal and 32 bits of its id's hash, so that a look at another id's slot ends there, and that the slots can move to a
// larger table without a look at the ids. Zero is empty.
type slot uint64

const (
	gone     = slot(record.MaxOrd + 1) // it was used
	minSlots = 64
)

func (s slot) ord() record.Ord { return record.Ord(s) }
func (s slot) hash() uint32    { return uint32(s >> 32) }

// An idKey is an id as the index needs it. Whoever brings an id makes it, so that the writer does not have to.
type idKey struct {
	hash   uint32
	uuid   bool
	packed [16]byte // of a UUID
}

func newIndex() *index {
	return &index{rows: make([]row, 1, 64), slots: make([]slot, minSlots), seed: maphash.MakeSeed()}
}

// key returns the key of id. It may be called from any goroutine.
func (x *index) key(id string) (k idKey) {
	if k.packed, k.uuid = record.PackUUID(id); k.uuid {
		k.hash = uint32(maphash.Bytes(x.seed, k.packed[:]))
	} else {
		k.hash = uint32(maphash.String(x.seed, id))
	}
	return k
}

// is tells whether the id of ord is id, whose key is k.
func (x *index) is(ord record.Ord, id string, k *idKey) bool {
	r := x.rows[ord].id
	if k.uuid || r.uuid() {
		return k.uuid && r.uuid() && string(x.ids.bytes(r)) == string(k.packed[:])
	}
	return string(x.ids.bytes(r)) == id
}

// lookup returns the ordinal of id, or zero.
func (x *index) lookup(id string) record.Ord {
	k := x.key(id)
	return x.find(id, &k)
}

// find is lookup for an id whose key is k.
func (x *index) find(id string, k *idKey) record.Ord {
	for i := x.home(k.hash); ; i = x.after(i) {
		switch s := x.slots[i]; {
		case s == 0:
			return 0
		case s.hash() != k.hash || s == gone:
		case x.is(s.ord(), id, k):
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

// put makes ord alive under id, whose key is k and which no other ordinal has, or gives it another version.
func (x *index) put(ord record.Ord, id string, k *idKey, version uint64) {
	x.reach(ord)
	if r := &x.rows[ord]; r.version != 0 {
		r.version = version
		return
	}
	if (x.used+1)*4 > len(x.slots)*3 {
		x.rehash(x.live + 1)
	}
	x.rows[ord] = row{version: version, id: x.ids.add(id, k)}
	x.place(slot(k.hash)<<32 | slot(ord))
	x.used++
	x.live++
}

// replay is put for an op that the base may be ahead of: its id may have moved on to another ordinal since.
func (x *index) replay(ord record.Ord, id string, version uint64) {
	k := x.key(id)
	if old := x.find(id, &k); old != 0 && old != ord {
		x.remove(old)
	}
	x.put(ord, id, &k, version)
}

// remove makes ord dead.
func (x *index) remove(ord record.Ord) {
	if x.version(ord) == 0 {
		return
	}
	for i := x.home(x.key(x.id(ord)).hash); ; i = x.after(i) {
		if s := x.slots[i]; s != gone && s.ord() == ord {
			x.slots[i] = gone
			break
		}
	}
	x.ids.drop(x.rows[ord].id)
	x.rows[ord] = row{}
	x.live--
}

// expect makes room for n more, up to ordinal next.
func (x *index) expect(n int, next record.Ord) {
	x.rows = slices.Grow(x.rows, max(0, int(next)-len(x.rows)))
	x.rehash(x.live + n)
}

// reach makes room for ord.
func (x *index) reach(ord record.Ord) {
	for int(ord) >= len(x.rows) {
		x.rows = append(x.rows, row{})
	}
}

func (x *index) id(ord record.Ord) string { return x.ids.get(x.rows[ord].id) }

func (x *index) home(hash uint32) int { return int(hash) & (len(x.slots) - 1) }

func (x *index) after(i int) int { return (i + 1) & (len(x.slots) - 1) }

func (x *index) place(s slot) {
	i := x.home(s.hash())
	for x.slots[i] != 0 {
		i = x.after(i)
	}
	x.slots[i] = s
}

// rehash makes the slots at most half full when n are alive.
func (x *index) rehash(n int) {
	size := minSlots
	for size < 2*n {
		size *= 2
	}
	old := x.slots
	x.slots = make([]slot, size)
	x.used = x.live
	for _, s := range old {
		if s != 0 && s != gone {
			x.place(s)
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
