package record

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// SettingVector returns v as the write that sets its vector: for ops that are to stand alone.
func (v Value) SettingVector(key Ord) Value {
	n, le := slices.Clone(v), binary.LittleEndian
	n[3] |= flagVector | flagVectorNow
	le.PutUint64(n[16:], n.Version())
	le.PutUint32(n[4:], n.extend(crc32.Checksum(n[24:], castagnoli), key))
	return n
}
