package graph

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/engramd/engramd/node/record"
)

// An in holds the sources of the edges that lead to the memories of a chunk, target after target, ascending.
// All are hints: an edge may have gone since.
type in struct {
	start []uint32
	from  []record.Ord
}

// An arrival is a source that a memory of a chunk got since the chunk's in was made. It may be there twice, and in
// the in as well.
type arrival struct {
	local uint32
	from  record.Ord
}

const arrivalBytes = int64(unsafe.Sizeof(arrival{}))

func (x *in) sources(local uint32) []record.Ord {
	if i := int(local); i+1 < len(x.start) {
		return x.from[x.start[i]:x.start[i+1]]
	}
	return nil
}

// sources appends to dst whoever may have an edge to a memory: each once, in no particular order.
func (c *chunk) sources(dst []record.Ord, local uint32) []record.Ord {
	begin := len(dst)
	dst = append(dst, c.in.sources(local)...)
	settled := len(dst)
	for _, a := range c.added {
		if a.local == local {
			dst = append(dst, a.from)
		}
	}
	if len(dst) == settled {
		return dst
	}
	own := dst[begin:]
	slices.Sort(own)
	return dst[:begin+len(slices.Compact(own))]
}

// mergedIn makes a new in of c. Entries that is says no to are left out; nil keeps all.
func (c *chunk) mergedIn(is func(from record.Ord, local uint32) bool) in {
	added := slices.Clone(c.added)
	slices.SortFunc(added, func(a, b arrival) int {
		return cmp.Or(cmp.Compare(a.local, b.local), cmp.Compare(a.from, b.from))
	})
	added = slices.Compact(added)
	size := max(len(c.in.start), 1)
	if n := len(added); n > 0 {
		size = max(size, int(added[n-1].local)+2)
	}
	merged := in{start: make([]uint32, 1, size), from: make([]record.Ord, 0, len(c.in.from)+len(added))}
	for local := range uint32(size - 1) {
		n := 0
		for n < len(added) && added[n].local == local {
			n++
		}
		merged.from = mergeSources(merged.from, c.in.sources(local), added[:n])
		added = added[n:]
		if begin := merged.start[local]; is != nil {
			kept := slices.DeleteFunc(merged.from[begin:], func(from record.Ord) bool { return !is(from, local) })
			merged.from = merged.from[:int(begin)+len(kept)]
		}
		merged.start = append(merged.start, uint32(len(merged.from)))
	}
	merged.from = exact(merged.from)
	return merged
}

// mergeSources appends to dst the union of two ascending lists.
func mergeSources(dst, old []record.Ord, added []arrival) []record.Ord {
	for _, a := range added {
		for len(old) > 0 && old[0] < a.from {
			dst, old = append(dst, old[0]), old[1:]
		}
		if len(old) == 0 || old[0] != a.from {
			dst = append(dst, a.from)
		}
	}
	return append(dst, old...)
}

// exact returns s without room that is worth a copy.
func exact[E any](s []E) []E {
	if cap(s)-len(s) > len(s)/16 {
		return append(make([]E, 0, len(s)), s...)
	}
	return s
}
