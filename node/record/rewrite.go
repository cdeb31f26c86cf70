package record

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Rewrite returns v under another version, and with another vector version; zero is no vector. It is for values that move into
// another space: inside one, only the log gives versions.
func (v Value) Rewrite(key Ord, version, vectorVersion uint64) Value {
	n, le := slices.Clone(v), binary.LittleEndian
	n[3] &^= flagVector | flagVectorNow
	if vectorVersion != 0 {
		n[3] |= flagVector
	}
	le.PutUint64(n[8:], version)
	le.PutUint64(n[16:], vectorVersion)
	le.PutUint32(n[4:], n.extend(crc32.Checksum(n[24:], castagnoli), key))
	return n
}
