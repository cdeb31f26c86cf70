package wal

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	align       = 512
	headerBytes = 64
	magic       = 0x314c_4157_7267_6e45 // "EngrWAL1", little endian
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A header is the beginning of a batch:
//
//	0 magic  8 salt  16 first LSN  24 entries  28 length of the entries  32 CRC32C  36 zero
type header struct {
	first uint64
	count uint32
	size  uint32
	crc   uint32
}

// seal fills the header at the beginning of b, whose entries are there already, and returns b padded to
// the alignment.
func seal(b []byte, salt, first uint64, count int) []byte {
	le := binary.LittleEndian
	clear(b[:headerBytes])
	le.PutUint64(b[0:], magic)
	le.PutUint64(b[8:], salt)
	le.PutUint64(b[16:], first)
	le.PutUint32(b[24:], uint32(count))
	le.PutUint32(b[28:], uint32(len(b)-headerBytes))
	le.PutUint32(b[32:], crc32.Checksum(b, castagnoli))
	var zeros [align]byte
	return append(b, zeros[:padded(len(b))-len(b)]...)
}

// parseHeader reads the header at the beginning of b. It vouches for nothing but magic and salt.
func parseHeader(b []byte, salt uint64) (h header, ok bool) {
	le := binary.LittleEndian
	if len(b) < headerBytes || le.Uint64(b) != magic || le.Uint64(b[8:]) != salt {
		return h, false
	}
	h = header{first: le.Uint64(b[16:]), count: le.Uint32(b[24:]), size: le.Uint32(b[28:]), crc: le.Uint32(b[32:])}
	return h, h.count > 0 && h.first > 0 && h.first+uint64(h.count) > h.first
}

// valid tells whether b, header and entries without padding, is what seal made. It leaves b as it is.
func (h header) valid(b []byte) bool {
	var zero [4]byte
	crc := crc32.Update(0, castagnoli, b[:32])
	crc = crc32.Update(crc, castagnoli, zero[:])
	return crc32.Update(crc, castagnoli, b[36:]) == h.crc
}

func (h header) last() uint64 { return h.first + uint64(h.count) - 1 }

func padded(n int) int { return (n + align - 1) &^ (align - 1) }
