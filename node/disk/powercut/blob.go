package powercut

import "io"

// A blob is the bytes of a file. The zeros at its end take no memory.
type blob struct {
	data []byte
	size int64
}

func (b *blob) clone() blob { return blob{data: append([]byte(nil), b.data...), size: b.size} }

func (b *blob) write(p []byte, off int64) {
	if need := off + int64(len(p)); need > int64(len(b.data)) {
		b.data = append(b.data, make([]byte, need-int64(len(b.data)))...)
	}
	copy(b.data[off:], p)
	b.size = max(b.size, off+int64(len(p)))
}

func (b *blob) resize(size int64) {
	if size < int64(len(b.data)) {
		b.data = b.data[:size:size]
	}
	b.size = size
}

func (b *blob) readAt(p []byte, off int64) (int, error) {
	if off >= b.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), b.size-off))
	clear(p[:n])
	if off < int64(len(b.data)) {
		copy(p[:n], b.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
