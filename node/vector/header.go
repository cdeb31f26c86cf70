package vector

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/engramd/engramd/node/record"
)

const (
	magic       = "engrvec\x01"
	headerBytes = 32   // magic, dimension, stride, zeros, CRC
	headerEvery = 4096 // a copy in each of two blocks, so that one bad block loses nothing
	dataStart   = 2 * headerEvery
	align       = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A layout says where the slots of a file are. It never changes in the life of a file.
type layout struct {
	dim    int
	stride int // bytes of a slot
}

func layoutOf(dim int) layout {
	return layout{dim: dim, stride: slotHeader + (4*dim+align-1)/align*align}
}

// offset returns where the slot of ord begins.
func (l layout) offset(ord record.Ord) int64 { return dataStart + int64(ord)*int64(l.stride) }

// header returns the first blocks of a file: two copies.
func (l layout) header() []byte {
	b := make([]byte, dataStart)
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint32(b[8:], uint32(l.dim))
	le.PutUint32(b[12:], uint32(l.stride))
	le.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
	copy(b[headerEvery:], b[:headerBytes])
	return b
}

// readHeader reads the first copy that is whole.
func readHeader(b []byte) (layout, error) {
	var first error
	for at := 0; at < dataStart; at += headerEvery {
		l, err := readCopy(b[min(at, len(b)):])
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
	}
	return layout{}, first
}

func readCopy(b []byte) (layout, error) {
	if len(b) < headerBytes || string(b[:len(magic)]) != magic {
		return layout{}, fmt.Errorf("%w: not the header of a vector file", record.ErrCorrupt)
	}
	le := binary.LittleEndian
	if crc32.Checksum(b[:headerBytes-4], castagnoli) != le.Uint32(b[headerBytes-4:]) {
		return layout{}, fmt.Errorf("%w: header: checksum does not match", record.ErrCorrupt)
	}
	dim, stride := le.Uint32(b[8:]), le.Uint32(b[12:])
	if dim == 0 || dim > record.MaxDimension || layoutOf(int(dim)).stride != int(stride) {
		return layout{}, fmt.Errorf("%w: header: dimension %d with slots of %d bytes", record.ErrCorrupt, dim, stride)
	}
	return layoutOf(int(dim)), nil
}
