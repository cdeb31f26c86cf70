package record_test

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
)

// TestChecksumOfAValue: what is on disks was written with this one: what follows the version, then what is before it, then the key.
func TestChecksumOfAValue(t *testing.T) {
	m := record.Memory{ID: "a", Content: "text", CreatedAt: time.UnixMilli(7), Vector: []float32{1}}
	for _, ord := range []record.Ord{1, 0x01020304, record.MaxOrd} {
		v := record.Value(record.AppendValue(nil, &m, 0))
		v.Seal(ord, 0x1122334455)
		covered := slices.Concat(v[24:], v[0:4], v[8:24], binary.BigEndian.AppendUint64(nil, uint64(ord)))
		want := crc32.Checksum(covered, crc32.MakeTable(crc32.Castagnoli))
		if got := binary.LittleEndian.Uint32(v[4:]); got != want {
			t.Errorf("ordinal %d: checksum %08x; want %08x", ord, got, want)
		}
		if err := v.Check(ord); err != nil {
			t.Error(err)
		}
	}
}
