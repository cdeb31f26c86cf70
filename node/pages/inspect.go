package pages

import (
	"bytes"
	"encoding/binary"
)

// An Inspector looks at the pages of a [Tree] that bbolt is about to change, before bbolt, which trusts them, does: the way to each key,
// and the neighbours with which it may join what gets small. Every page is looked at once.
type Inspector struct {
	tree      Tree
	seen      map[uint64]uint32 // pages, by the flags that the entries of a leaf there must have
	low, high []byte            // of the leaf that was found last
	last      uint64            // its bucket
}

// Inspect begins with what every change touches: the list of free pages.
func (t Tree) Inspect() (*Inspector, error) {
	n := &Inspector{tree: t, seen: map[uint64]uint32{}}
	if t.info.freelist == noFreelist {
		return n, nil
	}
	b, err := t.raw(t.info.freelist)
	if err != nil {
		return nil, err
	}
	_, err = freelistOf(t.info.freelist, b)
	return n, err
}

// Bucket looks at the way to a bucket of the first level.
func (n *Inspector) Bucket(name []byte) (Bucket, error) {
	n.last = 0
	if err := n.way(n.tree.info.root, name, flagBucket); err != nil {
		return Bucket{}, err
	}
	b, err := n.tree.Bucket(name)
	if err == nil && b.root == 0 {
		err = n.whole(b.at, b.inline, nil, nil, flagValue)
	}
	return b, err
}

// Key looks at the way to key. Keys that ascend are cheapest.
func (n *Inspector) Key(b Bucket, key []byte) error {
	if b.root == 0 {
		return nil // on a page that was looked at
	}
	if n.last == b.root && bytes.Compare(key, n.low) >= 0 && (n.high == nil || bytes.Compare(key, n.high) < 0) {
		return nil
	}
	return n.way(b.root, key, flagValue)
}

func (n *Inspector) way(root uint64, key []byte, flags uint32) error {
	var low, high []byte
	_, _, _, err := n.tree.search(root, key, func(id uint64, b, l, h []byte) error {
		low, high = l, h
		if err := n.once(id, b, l, h, flags); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(b[8:]) == flagBranch {
			return n.neighbours(id, b, key, flags)
		}
		return nil
	})
	n.last, n.low, n.high = root, low, high
	return err
}

// neighbours looks at the pages left and right of the one under which key belongs.
func (n *Inspector) neighbours(id uint64, b, key []byte, flags uint32) error {
	at, err := findBranch(id, b, key)
	if err != nil {
		return err
	}
	for _, i := range []int{at - 1, at + 1} {
		if i < 0 || i >= count(b) {
			continue
		}
		low, child, ok := branchAt(b, i)
		if !ok {
			return damage(id, "key %d reaches beyond the page", i)
		}
		page, err := n.tree.page(child)
		if err != nil {
			return err
		}
		var high []byte
		if i+1 < count(b) {
			high, _, _ = branchAt(b, i+1) // looked at with the page
		}
		if err := n.once(child, page, low, high, flags); err != nil {
			return err
		}
	}
	return nil
}

func (n *Inspector) once(id uint64, b, low, high []byte, flags uint32) error {
	if f, ok := n.seen[id]; ok && f == flags {
		return nil
	}
	n.seen[id] = flags
	return n.whole(id, b, low, high, flags)
}

// whole looks at all of one page. The entries of a leaf must have these flags: a base has buckets on the first level, and values in them.
func (n *Inspector) whole(id uint64, b, low, high []byte, flags uint32) error {
	if len(b) < pageHeader {
		return damage(id, "%d bytes", len(b))
	}
	switch kind := binary.LittleEndian.Uint16(b[8:]); kind {
	case flagLeaf:
		return eachLeaf(id, b, low, high, func(f uint32, _, value []byte) error {
			if f != flags {
				return damage(id, "flags %#x of an entry of %d bytes", f, len(value))
			}
			return nil
		})
	case flagBranch:
		children, err := childrenOf(id, b, low, high)
		for _, c := range children {
			if c.page < 2 || c.page >= n.tree.info.Pages {
				return damage(id, "leads to page %d of %d", c.page, n.tree.info.Pages)
			}
		}
		return err
	default:
		return damage(id, "flags %#x instead of a branch or a leaf", kind)
	}
}
