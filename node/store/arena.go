package store

import "github.com/engramd/engramd/node/record"

// An arena keeps ids in large chunks. UUIDs take 16 bytes instead of 36. The room of a dropped id is given to
// the next one of the same length.
type arena struct {
	chunks [][]byte
	free   map[int][]uint64 // by length
}

// A ref is where an id is: its offset, its length in the arena, and whether it is a packed UUID.
type ref uint64

const (
	chunkBits = 20
	lenBits   = 8
	uuidFlag  = 1
)

func makeRef(off uint64, n int, uuid bool) ref {
	r := ref(off)<<(lenBits+1) | ref(n)<<1
	if uuid {
		r |= uuidFlag
	}
	return r
}

func (r ref) len() int    { return int(r>>1) & (1<<lenBits - 1) }
func (r ref) off() uint64 { return uint64(r >> (lenBits + 1)) }
func (r ref) uuid() bool  { return r&uuidFlag != 0 }

func (a *arena) bytes(r ref) []byte {
	at := r.off() & (1<<chunkBits - 1)
	return a.chunks[r.off()>>chunkBits][at : at+uint64(r.len())]
}

// add keeps id, whose key is k.
func (a *arena) add(id string, k *idKey) ref {
	if k.uuid {
		return a.store(string(k.packed[:]), true)
	}
	return a.store(id, false)
}

func (a *arena) store(s string, uuid bool) ref {
	if free := a.free[len(s)]; len(free) > 0 {
		r := makeRef(free[len(free)-1], len(s), uuid)
		a.free[len(s)] = free[:len(free)-1]
		copy(a.bytes(r), s)
		return r
	}
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])+len(s) > 1<<chunkBits {
		a.chunks = append(a.chunks, make([]byte, 0, 1<<chunkBits))
		last++
	}
	off := uint64(last)<<chunkBits | uint64(len(a.chunks[last]))
	a.chunks[last] = append(a.chunks[last], s...)
	return makeRef(off, len(s), uuid)
}

func (a *arena) drop(r ref) {
	if a.free == nil {
		a.free = map[int][]uint64{}
	}
	a.free[r.len()] = append(a.free[r.len()], r.off())
}

func (a *arena) get(r ref) string {
	if r.uuid() {
		return record.FormatUUID([16]byte(a.bytes(r)))
	}
	return string(a.bytes(r))
}
