package pages

import (
	"bytes"
	"encoding/binary"
)

// A Tree looks keys up in the bytes of a bbolt file, as they are mapped, as of one transaction. Like [Walk] it trusts nothing that
// it reads, and ends on any tree, cyclic ones included. Touching the bytes may still fault where the file is shorter
// than its map: that is for the caller to catch.
type Tree struct {
	data []byte
	info Info
}

// NewTree reads the meta pages of data, the whole file or more. The tree is that of the younger valid one.
func NewTree(data []byte) (Tree, error) {
	info, err := readMeta(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return Tree{}, err
	}
	return Tree{data: data[:info.Pages*uint64(info.PageSize)], info: info}, nil
}

// Info returns what the meta page says.
func (t Tree) Info() Info { return t.info }

// A Bucket is the place of a bucket of the first level in a [Tree].
type Bucket struct {
	root   uint64
	inline []byte // the bucket's only page, if it has none of its own
	at     uint64 // the page that says so
}

// Bucket returns the bucket of the first level that is called name.
func (t Tree) Bucket(name []byte) (Bucket, error) {
	id, flags, value, err := t.search(t.info.root, name, nil)
	switch {
	case err != nil:
		return Bucket{}, err
	case flags != flagBucket || len(value) < bucketHeader:
		return Bucket{}, damage(id, "there is no bucket %q", name)
	}
	b := Bucket{root: binary.LittleEndian.Uint64(value), at: id}
	if b.root == 0 {
		b.inline = value[bucketHeader:]
	}
	return b, nil
}

// Get returns the value of key in b, nil if there is none. It is valid as long as the transaction of the tree.
func (t Tree) Get(b Bucket, key []byte) ([]byte, error) {
	if b.root == 0 {
		_, value, err := findLeaf(b.at, b.inline, key)
		return value, err
	}
	_, _, value, err := t.search(b.root, key, nil)
	return value, err
}

// search goes from root to the leaf where key belongs, and shows each page on the way to seen, if not nil.
func (t Tree) search(root uint64, key []byte, seen func(id uint64, b []byte, low, high []byte) error) (id uint64, flags uint32, value []byte, err error) {
	low, high := []byte{}, []byte(nil)
	id = root
	for range maxDepth {
		b, err := t.page(id)
		if err != nil {
			return id, 0, nil, err
		}
		if seen != nil {
			if err := seen(id, b, low, high); err != nil {
				return id, 0, nil, err
			}
		}
		switch kind := binary.LittleEndian.Uint16(b[8:]); kind {
		case flagLeaf:
			flags, value, err = findLeaf(id, b, key)
			return id, flags, value, err
		case flagBranch:
			i, err := findBranch(id, b, key)
			if err != nil {
				return id, 0, nil, err
			}
			own, child, _ := branchAt(b, i) // in bounds: findBranch looked
			low = own
			if i+1 < count(b) {
				var ok bool
				if high, _, ok = branchAt(b, i+1); !ok {
					return id, 0, nil, damage(id, "key %d reaches beyond the page", i+1)
				}
			}
			id = child
		default:
			return id, 0, nil, damage(id, "flags %#x instead of a branch or a leaf", kind)
		}
	}
	return id, 0, nil, damage(id, "the tree is deeper than %d", maxDepth)
}

// page returns the bytes of a branch or a leaf with its overflow.
func (t Tree) page(id uint64) ([]byte, error) {
	b, err := t.raw(id)
	if err == nil && pageHeader+count(b)*leafEntry > len(b) { // an entry of a branch is as long
		return nil, damage(id, "%d entries", count(b))
	}
	return b, err
}

// raw returns the bytes of any page with its overflow.
func (t Tree) raw(id uint64) ([]byte, error) {
	size := uint64(t.info.PageSize)
	if id < 2 || id >= t.info.Pages {
		return nil, damage(id, "outside the file's %d pages", t.info.Pages)
	}
	b := t.data[id*size:]
	if own := binary.LittleEndian.Uint64(b); own != id {
		return nil, damage(id, "says that it is page %d", own)
	}
	overflow := uint64(binary.LittleEndian.Uint32(b[12:]))
	if overflow >= t.info.Pages-id {
		return nil, damage(id, "%d pages of overflow reach beyond the end", overflow)
	}
	return b[: (overflow+1)*size : (overflow+1)*size], nil
}

func count(b []byte) int { return int(binary.LittleEndian.Uint16(b[10:])) }

// branchAt returns key and page of an entry whose header is in bounds.
func branchAt(b []byte, i int) (key []byte, child uint64, ok bool) {
	at := pageHeader + i*branchEntry
	e := b[at:]
	key, ok = slice(b, at, e, binary.LittleEndian.Uint32(e[4:]))
	return key, binary.LittleEndian.Uint64(e[8:]), ok
}

func leafAt(b []byte, i int) (flags uint32, key, value []byte, ok bool) {
	at := pageHeader + i*leafEntry
	e := b[at:]
	ksize, vsize := binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])
	both, ok := slice(b, at, e[4:], ksize+vsize)
	if !ok || ksize+vsize < ksize {
		return 0, nil, nil, false
	}
	return binary.LittleEndian.Uint32(e), both[:ksize:ksize], both[ksize:], true
}

// findBranch returns the entry under which key belongs.
func findBranch(id uint64, b, key []byte) (int, error) {
	low, high := 0, count(b)
	if high == 0 {
		return 0, damage(id, "0 entries")
	}
	for high-low > 1 { // the key at low is not above key, or low is 0
		mid := int(uint(low+high) / 2)
		k, _, ok := branchAt(b, mid)
		if !ok {
			return 0, damage(id, "key %d reaches beyond the page", mid)
		}
		if bytes.Compare(k, key) <= 0 {
			low = mid
		} else {
			high = mid
		}
	}
	if _, _, ok := branchAt(b, low); !ok {
		return 0, damage(id, "key %d reaches beyond the page", low)
	}
	return low, nil
}

// findLeaf returns the entry of key, nil if there is none.
func findLeaf(id uint64, b, key []byte) (flags uint32, value []byte, err error) {
	if len(b) < pageHeader || binary.LittleEndian.Uint16(b[8:]) != flagLeaf || pageHeader+count(b)*leafEntry > len(b) {
		return 0, nil, damage(id, "an inline bucket without a leaf")
	}
	low, high := 0, count(b)
	for low < high {
		mid := int(uint(low+high) / 2)
		f, k, v, ok := leafAt(b, mid)
		if !ok {
			return 0, nil, damage(id, "entry %d reaches beyond the page", mid)
		}
		switch c := bytes.Compare(k, key); {
		case c == 0:
			return f, v[:len(v):len(v)], nil
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return 0, nil, nil
}
