package store

import (
	"hash/maphash"

	"github.com/engramd/engramd/node/record"
)

// An index is what is resident of every memory of a space: its id, its ordinal and its version. It holds no
// pointers, so that a million of them cost the garbage collector nothing. The writer alone changes it, under the lock of
// the space; the writer alone may also read it without.
type index struct {
	rows  []row        // by ordinal
	slots []record.Ord // open addressing by hash of the id; 0 is empty, gone was used
	used  int          // slots that are not empty
	live  int
	ids   arena
	seed  maphash.Seed
}

type row struct {
	version uint64 // 0: not alive
	id      ref
}

const (
	gone     = record.MaxOrd + 1
	minSlots = 64
)

func newIndex() *index {
	return &index{rows: make([]row, 1, 64), slots: make([]record.Ord, minSlots), seed: maphash.MakeSeed()}
}

// lookup returns the ordinal of id, or zero.
func (x *index) lookup(id string) record.Ord {
	for i := x.home(id); ; i = x.after(i) {
		switch ord := x.slots[i]; {
		case ord == 0:
			return 0
		case ord != gone && x.ids.equal(x.rows[ord].id, id):
			return ord
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

// put makes ord alive under id, or gives it another version.
func (x *index) put(ord record.Ord, id string, version uint64) {
	x.reach(ord)
	if r := &x.rows[ord]; r.version != 0 {
		r.version = version
		return
	}
	if old := x.lookup(id); old != 0 {
		x.remove(old) // a replay over a base that is ahead of it: the id has moved on meanwhile
	}
	if (x.used+1)*4 > len(x.slots)*3 {
		x.rehash()
	}
	x.rows[ord] = row{version: version, id: x.ids.add(id)}
	x.place(ord, id)
	x.used++
	x.live++
}

// remove makes ord dead.
func (x *index) remove(ord record.Ord) {
	if x.version(ord) == 0 {
		return
	}
	for i := x.home(x.id(ord)); ; i = x.after(i) {
		if x.slots[i] == ord {
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

func (x *index) home(id string) int {
	return int(maphash.String(x.seed, id) & uint64(len(x.slots)-1))
}

func (x *index) after(i int) int { return (i + 1) & (len(x.slots) - 1) }

func (x *index) place(ord record.Ord, id string) {
	i := x.home(id)
	for x.slots[i] != 0 {
		i = x.after(i)
	}
	x.slots[i] = ord
}

// rehash makes the slots at most half full.
func (x *index) rehash() {
	n := minSlots
	for n < 2*(x.live+1) {
		n *= 2
	}
	x.slots = make([]record.Ord, n)
	x.used = x.live
	for ord := range x.rows {
		if x.rows[ord].version != 0 {
			x.place(record.Ord(ord), x.id(record.Ord(ord)))
		}
	}
}
