package store

import "github.com/engramd/engramd/node/record"

// An ends remembers ordinals, a bit each: those where edges begin or end, while a space is loaded.
type ends struct{ bits []uint64 }

func (e *ends) mark(ord record.Ord) {
	word := int(ord / 64)
	if n := word + 1 - len(e.bits); n > 0 {
		e.bits = append(e.bits, make([]uint64, n)...)
	}
	e.bits[word] |= 1 << (ord % 64)
}

func (e *ends) has(ord record.Ord) bool {
	word := int(ord / 64)
	return e != nil && word < len(e.bits) && e.bits[word]&(1<<(ord%64)) != 0
}
