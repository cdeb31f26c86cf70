package vector

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"unsafe"

	"github.com/engramd/engramd/node/record"
)

// slotHeader is version (8), CRC (4), ordinal (4), zeros.
const slotHeader = 32

// appendSlot appends the slot of a vector to dst.
func (l layout) appendSlot(dst []byte, ord record.Ord, version uint64, vector []float32) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = le.AppendUint64(dst, version)
	dst = append(dst, 0, 0, 0, 0)
	dst = le.AppendUint32(dst, uint32(ord))
	dst = append(dst, make([]byte, slotHeader-16)...)
	for _, x := range vector {
		dst = le.AppendUint32(dst, math.Float32bits(x))
	}
	dst = append(dst, make([]byte, start+l.stride-len(dst))...)
	le.PutUint32(dst[start+8:], l.sum(dst[start:]))
	return dst
}

func (l layout) sum(slot []byte) uint32 {
	return crc32.Update(crc32.Checksum(slot[:8], castagnoli), castagnoli, slot[12:slotHeader+4*l.dim])
}

// checkSlot tells whether slot holds the vector of that version of ord.
func (l layout) checkSlot(slot []byte, ord record.Ord, version uint64) error {
	le := binary.LittleEndian
	switch {
	case len(slot) < l.stride:
		return damaged(ord, "the file has no slot for it")
	case le.Uint64(slot) != version:
		return damaged(ord, fmt.Sprintf("the slot has version %d where the record asks for %d", le.Uint64(slot), version))
	case record.Ord(le.Uint32(slot[12:])) != ord:
		return damaged(ord, "the slot is of another ordinal")
	case l.sum(slot) != le.Uint32(slot[8:]):
		return damaged(ord, "checksum does not match")
	}
	return nil
}

func damaged(ord record.Ord, reason string) error {
	return fmt.Errorf("%w: vector of ordinal %d: %s; write the vector again or restore the space", record.ErrCorrupt, ord, reason)
}

// slot returns the slot of ord in the bytes of the file, nil beyond its end.
func (l layout) slot(file []byte, ord record.Ord) []byte {
	at := l.offset(ord)
	if at+int64(l.stride) > int64(len(file)) {
		return nil
	}
	return file[at : at+int64(l.stride) : at+int64(l.stride)]
}

// floats returns the vector in a slot, shared with it. Slots are little endian, like every machine that this runs on
// ([New] refuses others).
func (l layout) floats(slot []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(&slot[slotHeader])), l.dim)
}
