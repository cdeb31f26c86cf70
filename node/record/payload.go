package record

import (
	"encoding/binary"
	"fmt"
	"math"
)

func appendPayload(dst []byte, m *Memory) []byte {
	dst = appendBytes(dst, m.Content)
	dst = binary.AppendUvarint(dst, uint64(len(m.Tags)))
	for _, t := range m.Tags {
		dst = appendBytes(dst, t)
	}
	dst = appendBytes(dst, string(m.Metadata))
	return appendBytes(dst, m.Redirect)
}

func appendBytes(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// Decode reads v into m: everything but the vector and the access. plain is the payload, decompressed if
// v's codec asks for it (v.Payload() where the codec is Plain). m shares no memory with v or plain.
func (v Value) Decode(m *Memory, plain []byte) error {
	if err := v.checkShape(); err != nil {
		return err
	}
	if len(plain) != v.PlainLen() {
		return corrupt("value: payload of %d bytes instead of %d", len(plain), v.PlainLen())
	}
	m.ID = string(v.ID())
	m.Type = v.Type()
	m.Confidence = math.Float32frombits(binary.LittleEndian.Uint32(v[48:]))
	m.CreatedAt, m.UpdatedAt, m.ExpiresAt = v.CreatedAt(), v.UpdatedAt(), v.ExpiresAt()
	m.Version = v.Version()
	r := reader{b: plain}
	m.Content = r.text(MaxContentBytes)
	m.Tags = r.texts(MaxTags, MaxTagBytes)
	if meta := r.text(MaxMetadataBytes); meta != "" {
		m.Metadata = []byte(meta)
	} else {
		m.Metadata = nil
	}
	m.Redirect = r.text(MaxIDBytes)
	return r.end("value")
}

// A reader reads lengths and bytes, and remembers the first thing that is wrong.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = corrupt(format, args...)
	}
	r.b = nil
}

func (r *reader) uvarint(limit uint64) uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > limit {
		r.fail("a length is missing or above %d", limit)
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail("%d bytes announced, %d there", n, len(r.b))
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text(limit int) string {
	return string(r.bytes(int(r.uvarint(uint64(limit)))))
}

func (r *reader) texts(limit, each int) []string {
	n := int(r.uvarint(uint64(limit)))
	if n == 0 || n > len(r.b) {
		if n > 0 {
			r.fail("%d texts announced, %d bytes there", n, len(r.b))
		}
		return nil
	}
	out := make([]string, 0, n)
	for range n {
		out = append(out, r.text(each))
	}
	return out
}

func (r *reader) end(what string) error {
	if r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	if len(r.b) > 0 {
		return corrupt("%s: %d bytes too many", what, len(r.b))
	}
	return nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}
