package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/engramd/engramd/node/record"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the checksum of a value that is not a memory: over its key and itself.
func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// appendSealed appends the checksum of value under key, and value.
func appendSealed(dst, key, value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, sum(key, value)), value...)
}

// unseal returns the value that appendSealed wrote.
func unseal(bucket string, key, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 || binary.LittleEndian.Uint32(sealed) != sum(key, sealed[4:]) {
		return nil, fmt.Errorf("%w: value of %s under %x: checksum does not match", record.ErrCorrupt, bucket, key)
	}
	return sealed[4:], nil
}

const edgeBytes = 6

// appendEdges appends the bytes of a source's edges, targets ascending.
func appendEdges(dst []byte, edges []EdgeTo) []byte {
	for _, e := range edges {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.To))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(e.Weight))
	}
	return dst
}

// readEdges appends to dst what appendEdges wrote.
func readEdges(dst []EdgeTo, b []byte) ([]EdgeTo, error) {
	if len(b)%edgeBytes != 0 {
		return nil, fmt.Errorf("%w: edges of %d bytes", record.ErrCorrupt, len(b))
	}
	for ; len(b) > 0; b = b[edgeBytes:] {
		e := EdgeTo{To: record.Ord(binary.LittleEndian.Uint32(b)), Weight: record.Weight(binary.LittleEndian.Uint16(b[4:]))}
		if e.To == 0 || !e.Weight.Valid() || len(dst) > 0 && dst[len(dst)-1].To >= e.To {
			return nil, fmt.Errorf("%w: edge to %d of weight %d", record.ErrCorrupt, e.To, e.Weight)
		}
		dst = append(dst, e)
	}
	return dst, nil
}

// A change of one edge of a source, on its way into the base.
type edgeChange struct {
	to    record.Ord
	delta edgeDelta
}

// mergeEdges appends to dst the edges of old changed by changes, both with targets ascending.
func mergeEdges(dst, old []EdgeTo, changes []edgeChange) []EdgeTo {
	for _, c := range changes {
		for len(old) > 0 && old[0].To < c.to {
			dst, old = append(dst, old[0]), old[1:]
		}
		there := len(old) > 0 && old[0].To == c.to
		if there {
			old = old[1:]
		}
		if c.delta.weight != 0 && (there || !c.delta.ifThere) {
			dst = append(dst, EdgeTo{To: c.to, Weight: c.delta.weight})
		}
	}
	return append(dst, old...)
}
