package tier

import (
	"slices"
	"sync"

	"github.com/engramd/engramd/node/record"
)

// buffers are for payloads that are decompressed.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Read calls fn with the current value of ord and its payload, decompressed, and returns in which tier it was found. Both are shared, must not be
// changed, and are valid only during the call. Errors are those of [store.Space.Read]; one that wraps [record.ErrCorrupt] if
// the payload cannot be decompressed. Read counts no access.
func (v *View) Read(ord record.Ord, fn func(value record.Value, plain []byte) error) (Tier, error) {
	if err := v.space.Err(); err != nil {
		return none, err
	}
	t, _ := v.Tier(ord)
	if t == Hot {
		if c, ok := v.copyOf(ord); ok {
			v.hits.Add(1)
			return Hot, fn(c, c.Payload())
		}
		v.misses.Add(1)
	}
	var keep record.Value
	err := v.stored(ord, func(value record.Value, plain []byte) error {
		if t == Hot && v.tiers.filling() && value.Codec() == record.Plain {
			keep = slices.Clone(value)
		}
		t = storedIn(value)
		return fn(value, plain)
	})
	if keep != nil {
		v.tiers.copies.Set(v.key(ord), keep)
	}
	return t, err
}

// copyOf returns the copy of the current version, if there is one.
func (v *View) copyOf(ord record.Ord) (record.Value, bool) {
	version := v.space.Version(ord) // first: what the copy is compared with was current during this call
	c, ok := v.tiers.copies.Get(v.key(ord))
	return c, ok && version != 0 && c.Version() == version
}

// stored calls fn with what the space has stored, memtable or base.
func (v *View) stored(ord record.Ord, fn func(value record.Value, plain []byte) error) error {
	return v.space.Read(ord, func(value record.Value) error {
		if value.Codec() == record.Plain {
			return fn(value, value.Payload())
		}
		return v.decompressed(value, fn)
	})
}

func (v *View) decompressed(value record.Value, fn func(record.Value, []byte) error) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	// The decompressor wants a little more room than it fills.
	*buf = slices.Grow((*buf)[:0], value.PlainLen()+64)
	plain, err := v.codec.plain(value, *buf)
	if err != nil {
		return err
	}
	return fn(value, plain)
}

// Decode reads a value as the space has it stored into m, with its access and without its vector.
func (v *View) Decode(ord record.Ord, value record.Value, m *record.Memory) error {
	decode := func(value record.Value, plain []byte) error { return value.Decode(m, plain) }
	m.Access, _ = v.Access(ord)
	if value.Codec() == record.Plain {
		return decode(value, value.Payload())
	}
	return v.decompressed(value, decode)
}

// Get reads a memory into m, with its access and without its vector, and returns in which tier it was found.
func (v *View) Get(ord record.Ord, m *record.Memory) (Tier, error) {
	t, err := v.Read(ord, func(value record.Value, plain []byte) error { return value.Decode(m, plain) })
	if err == nil {
		m.Access, _ = v.Access(ord)
	}
	return t, err
}
