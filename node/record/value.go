package record

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"
	"unsafe"
)

// A Value is the bytes of one memory as the log, the memtable and the base hold them:
//
//	0  format (1)      8  version         32 updated, ms    52 dictionary of the codec
//	1  codec           16 vector version  40 expires, ms    56 length of the plain payload
//	2  type            24 created, ms     48 confidence     60 length of the id, 62 zero
//	3  flags           4  CRC32C                            64 id, payload
//
// The payload is content, tags, metadata and redirect, plain or compressed. The vector is not in the
// value: it has a file of its own, and the vector version says which of its writes belongs here.
type Value []byte

// The codecs of a payload.
const (
	Plain byte = iota
	Zstd
)

const (
	valueFormat   = 1
	headerBytes   = 64
	maxPayload    = MaxContentBytes + MaxMetadataBytes + MaxTags*(MaxTagBytes+4) + MaxIDBytes + 32
	flagVector    = 1 << 0 // the memory has a vector
	flagVectorNow = 1 << 1 // its version is the version of this value
	flagRedirect  = 1 << 2
)

// ErrCorrupt is wrapped by every error about bytes that are not what was written.
var ErrCorrupt = errors.New("corrupt")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendValue appends the value of m, in plain, to dst. Its version and CRC are missing until [Value.Seal]:
// they are known only when the log gives the write its place. vectorVersion tells which write set m's vector; zero with a vector in m means this one.
func AppendValue(dst []byte, m *Memory, vectorVersion uint64) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, headerBytes)...)
	dst = append(dst, m.ID...)
	payload := len(dst)
	dst = appendPayload(dst, m)
	v := dst[start:]
	v[0], v[1], v[2] = valueFormat, Plain, byte(m.Type)
	switch {
	case len(m.Vector) > 0 && vectorVersion == 0:
		v[3] = flagVector | flagVectorNow
	case vectorVersion != 0:
		v[3] = flagVector
	}
	if m.Redirect != "" {
		v[3] |= flagRedirect
	}
	le := binary.LittleEndian
	le.PutUint64(v[16:], vectorVersion)
	le.PutUint64(v[24:], millis(m.CreatedAt))
	le.PutUint64(v[32:], millis(m.UpdatedAt))
	le.PutUint64(v[40:], millis(m.ExpiresAt))
	le.PutUint32(v[48:], math.Float32bits(m.Confidence))
	le.PutUint32(v[56:], uint32(len(dst)-payload))
	le.PutUint16(v[60:], uint16(len(m.ID)))
	le.PutUint32(v[4:], crc32.Checksum(v[24:], castagnoli))
	return dst
}

// ValueSize is how many bytes [AppendValue] appends, or a few more.
func ValueSize(m *Memory) int {
	n := headerBytes + len(m.ID) + lengthBytes + len(m.Content) + lengthBytes + len(m.Metadata) + lengthBytes + len(m.Redirect) + lengthBytes
	for _, t := range m.Tags {
		n += lengthBytes + len(t)
	}
	return n
}

// lengthBytes is what a length takes at most: the longest text has 100 KiB.
const lengthBytes = 3

// Seal gives a value that [AppendValue] made its version and its CRC, in place. It is called once.
func (v Value) Seal(key Ord, version uint64) {
	le := binary.LittleEndian
	le.PutUint64(v[8:], version)
	if v[3]&flagVectorNow != 0 {
		le.PutUint64(v[16:], version)
	}
	le.PutUint32(v[4:], v.extend(le.Uint32(v[4:]), key))
}

// extend makes the whole CRC from that of v[24:].
func (v Value) extend(body uint32, key Ord) uint32 {
	crc := crc32.Update(crc32.Update(body, castagnoli, v[0:4]), castagnoli, v[8:24])
	// The key, big endian: by hand, because it would have to be on the heap for the library.
	crc = ^crc
	for shift := 56; shift >= 0; shift -= 8 {
		crc = castagnoli[byte(crc)^byte(uint64(key)>>shift)] ^ crc>>8
	}
	return ^crc
}

// Check tells whether v is whole and belongs under key.
func (v Value) Check(key Ord) error {
	if err := v.checkShape(); err != nil {
		return err
	}
	if v.extend(crc32.Checksum(v[24:], castagnoli), key) != binary.LittleEndian.Uint32(v[4:]) {
		return corrupt("value of ordinal %d: checksum does not match", key)
	}
	return nil
}

func (v Value) checkShape() error {
	switch {
	case len(v) < headerBytes:
		return corrupt("value: %d bytes", len(v))
	case v[0] != valueFormat:
		return corrupt("value: format %d", v[0])
	case v[1] > Zstd:
		return corrupt("value: codec %d", v[1])
	case len(v) < headerBytes+v.idLen():
		return corrupt("value: id reaches beyond the end")
	case v.PlainLen() > maxPayload:
		return corrupt("value: payload of %d bytes", v.PlainLen())
	case v[1] == Plain && len(v) != headerBytes+v.idLen()+v.PlainLen():
		return corrupt("value: %d bytes for a payload of %d", len(v), v.PlainLen())
	}
	return nil
}

func (v Value) idLen() int { return int(binary.LittleEndian.Uint16(v[60:])) }

// The fields of the header. They may be asked of any value that passed Check.

// ID returns the id's bytes, shared with v.
func (v Value) ID() []byte { return v[headerBytes : headerBytes+v.idLen()] }

// IDString returns the id without copying it: it is valid as long as v is and nobody changes v.
func (v Value) IDString() string {
	id := v.ID()
	return unsafe.String(unsafe.SliceData(id), len(id))
}

// SalvageID returns the id of a value that did not pass Check, if there is something in its place that could be one.
func (v Value) SalvageID() (string, bool) {
	if len(v) < headerBytes || len(v) < headerBytes+v.idLen() {
		return "", false
	}
	id := string(v.ID())
	return id, CheckID(id) == nil
}

// Version returns the version that Seal gave.
func (v Value) Version() uint64 { return binary.LittleEndian.Uint64(v[8:]) }

// Codec returns Plain or Zstd.
func (v Value) Codec() byte { return v[1] }

// Dictionary returns the number of the dictionary with which the payload was compressed.
func (v Value) Dictionary() uint32 { return binary.LittleEndian.Uint32(v[52:]) }

// Type returns the type of the memory.
func (v Value) Type() Type { return Type(v[2]) }

// VectorVersion returns the version of the write that set the vector; zero if there is none.
func (v Value) VectorVersion() uint64 {
	if v[3]&flagVector == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(v[16:])
}

// Redirects tells whether the memory only points to the one that took its place.
func (v Value) Redirects() bool { return v[3]&flagRedirect != 0 }

// ExpiresAt returns when the memory expires; zero is never.
func (v Value) ExpiresAt() time.Time { return fromMillis(binary.LittleEndian.Uint64(v[40:])) }

// CreatedAt returns when the memory was first remembered.
func (v Value) CreatedAt() time.Time { return fromMillis(binary.LittleEndian.Uint64(v[24:])) }

// UpdatedAt returns when the memory was last changed.
func (v Value) UpdatedAt() time.Time { return fromMillis(binary.LittleEndian.Uint64(v[32:])) }

// PlainLen returns the length of the payload when plain.
func (v Value) PlainLen() int { return int(binary.LittleEndian.Uint32(v[56:])) }

// Payload returns the payload as it is stored, shared with v.
func (v Value) Payload() []byte { return v[headerBytes+v.idLen():] }

// Recode returns a new value of the same memory and version whose payload is stored in another way.
func (v Value) Recode(key Ord, codec byte, dictionary uint32, payload []byte) Value {
	n := make(Value, 0, headerBytes+v.idLen()+len(payload))
	n = append(n, v[:headerBytes+v.idLen()]...)
	n = append(n, payload...)
	n[1] = codec
	binary.LittleEndian.PutUint32(n[52:], dictionary)
	binary.LittleEndian.PutUint32(n[4:], n.extend(crc32.Checksum(n[24:], castagnoli), key))
	return n
}

// epoch is kept for the moment 0 of Unix, since 0 is no time.
const epoch = 1 << 63

func millis(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	if ms := t.UnixMilli(); ms != 0 {
		return uint64(ms)
	}
	return epoch
}

func fromMillis(ms uint64) time.Time {
	switch ms {
	case 0:
		return time.Time{}
	case epoch:
		ms = 0
	}
	return time.UnixMilli(int64(ms)).UTC()
}
