// Package pages reads a bbolt file page by page without trusting a single number in it. bbolt maps its file and
// follows what it finds: a flipped bit in a branch page can lose records silently or take the process with it. Here
// every page is read into a buffer and every offset, count and reference is checked before it is used, so damage
// is an error that names the page, and nothing panics, whatever the bytes are.
//
// [Walk] also visits every key and value, in order, so that a restart checks a file and rebuilds what it keeps
// in memory in one pass.
package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

const (
	pageHeader   = 16 // id 8, flags 2, count 2, overflow 4
	branchEntry  = 16 // pos 4, ksize 4, page 8
	leafEntry    = 16 // flags 4, pos 4, ksize 4, vsize 4
	bucketHeader = 16 // root page 8, sequence 8

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	flagValue, flagBucket = 0, 1 // of an entry of a leaf

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = math.MaxUint64

	minPage, maxPage = 1 << 10, 1 << 16 // bytes

	maxDepth = 64 // branches and buckets that may lie in one another
)

// ErrDamaged is wrapped by every error about what is in the file.
var ErrDamaged = errors.New("damaged")

// A Damage says where a file is damaged, and how.
type Damage struct {
	Page   uint64
	Reason string
}

func (d *Damage) Error() string { return fmt.Sprintf("page %d: %s", d.Page, d.Reason) }

// Unwrap makes errors.Is(err, ErrDamaged) true.
func (d *Damage) Unwrap() error { return ErrDamaged }

func damage(page uint64, format string, args ...any) error {
	return &Damage{Page: page, Reason: fmt.Sprintf(format, args...)}
}

// An Info is what the valid meta page says.
type Info struct {
	PageSize int
	Pages    uint64 // in use or free
	Txid     uint64
	// OtherMeta is why the other meta page is not valid, or nil. One invalid meta page is what a crash
	// during a commit leaves; the file is then as it was before that commit.
	OtherMeta error

	root, freelist uint64
}

// Walk checks the whole file r of size bytes and calls visit with every key and value that is not a bucket, buckets and keys
// ascending. bucket is the name of the bucket of the first level that contains the key. The slices are valid only
// during the call. An error of visit ends the walk and is returned.
func Walk(r io.ReaderAt, size int64, visit func(bucket, key, value []byte) error) (Info, error) {
	info, err := readMeta(r, size)
	if err != nil {
		return info, err
	}
	return info, WalkAs(r, info, visit)
}

// WalkAs is Walk of the file as info, which a [Tree] of it told, says it is: while a transaction keeps that state, others may change the
// file.
func WalkAs(r io.ReaderAt, info Info, visit func(bucket, key, value []byte) error) error {
	w := walk{r: r, info: info, visit: visit, seen: newBitmap(info.Pages)}
	w.seen.set(0)
	w.seen.set(1)
	if err := w.page(info.root, 0, 0, nil, nil); err != nil {
		return err
	}
	return w.freelist()
}

// readMeta returns the younger of the valid meta pages.
func readMeta(r io.ReaderAt, size int64) (Info, error) {
	a, errA := parseMeta(r, 0, 0, size)
	b, errB := secondMeta(r, size, a.PageSize)
	switch {
	case errA != nil && errB != nil:
		return Info{}, errA
	case errA != nil || errB == nil && b.Txid > a.Txid:
		b.OtherMeta = errA
		return b, nil
	}
	a.OtherMeta = errB
	return a, nil
}

// secondMeta reads the other meta page: that of the first one tells where it is, or if that is damaged (0) it is looked for.
func secondMeta(r io.ReaderAt, size int64, pageSize int) (info Info, err error) {
	if pageSize != 0 {
		return parseMeta(r, int64(pageSize), 1, size)
	}
	for p := minPage; p <= maxPage; p *= 2 {
		if info, err = parseMeta(r, int64(p), 1, size); err == nil && info.PageSize == p {
			return info, nil
		}
	}
	return Info{}, damage(1, "no meta page")
}

func parseMeta(r io.ReaderAt, off int64, page uint64, size int64) (Info, error) {
	var b [pageHeader + 64]byte
	if _, err := r.ReadAt(b[:], off); err != nil && err != io.EOF {
		return Info{}, err
	}
	le, m := binary.LittleEndian, b[pageHeader:]
	h := fnv.New64a()
	h.Write(m[:56])
	switch {
	case le.Uint32(m) != boltMagic || le.Uint32(m[4:]) != boltVersion:
		return Info{}, damage(page, "not a meta page")
	case le.Uint64(m[56:]) != h.Sum64():
		return Info{}, damage(page, "the checksum of the meta page does not match")
	}
	info := Info{
		PageSize: int(le.Uint32(m[8:])), root: le.Uint64(m[16:]), freelist: le.Uint64(m[32:]),
		Pages: le.Uint64(m[40:]), Txid: le.Uint64(m[48:]),
	}
	if p := info.PageSize; p < minPage || p > maxPage || p&(p-1) != 0 {
		return Info{}, damage(page, "page size %d", p)
	}
	if info.Pages > uint64(size)/uint64(info.PageSize) {
		return Info{}, damage(page, "%d pages of %d bytes in a file of %d bytes", info.Pages, info.PageSize, size)
	}
	return info, nil
}

type walk struct {
	r     io.ReaderAt
	info  Info
	visit func(bucket, key, value []byte) error
	seen  bitmap
	name  []byte
	bufs  [maxDepth][]byte
}

// page walks the tree under one page, whose keys must be in [low, high); nil is no bound.
func (w *walk) page(id uint64, nesting, depth int, low, high []byte) error {
	if nesting+depth >= maxDepth {
		return damage(id, "the tree is deeper than %d", maxDepth)
	}
	b, err := w.read(id, nesting+depth)
	if err != nil {
		return err
	}
	switch flags := binary.LittleEndian.Uint16(b[8:]); flags {
	case flagBranch:
		return w.branch(id, b, nesting, depth, low, high)
	case flagLeaf:
		return w.leaf(id, b, nesting, depth, low, high)
	default:
		return damage(id, "flags %#x instead of a branch or a leaf", flags)
	}
}

// read returns the bytes of a page with its overflow, and marks its pages as used.
func (w *walk) read(id uint64, buf int) ([]byte, error) {
	size := w.info.PageSize
	if id < 2 || id >= w.info.Pages {
		return nil, damage(id, "outside the file's %d pages", w.info.Pages)
	}
	b := w.bufs[buf]
	if cap(b) < size {
		b = make([]byte, size)
	}
	b = b[:size]
	if _, err := w.r.ReadAt(b, int64(id)*int64(size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	if own := binary.LittleEndian.Uint64(b); own != id {
		return nil, damage(id, "says that it is page %d", own)
	}
	overflow := uint64(binary.LittleEndian.Uint32(b[12:]))
	if overflow >= w.info.Pages-id {
		return nil, damage(id, "%d pages of overflow reach beyond the end", overflow)
	}
	for p := id; p <= id+overflow; p++ {
		if !w.seen.set(p) {
			return nil, damage(p, "used twice")
		}
	}
	if overflow > 0 {
		whole := make([]byte, int(overflow+1)*size)
		copy(whole, b)
		if _, err := w.r.ReadAt(whole[size:], int64(id+1)*int64(size)); err != nil {
			return nil, fmt.Errorf("read overflow of page %d: %w", id, err)
		}
		return whole, nil
	}
	w.bufs[buf] = b
	return b, nil
}

func (w *walk) branch(id uint64, b []byte, nesting, depth int, low, high []byte) error {
	children, err := childrenOf(id, b, low, high)
	if err != nil {
		return err
	}
	for i, c := range children {
		upper := high
		if i+1 < len(children) {
			upper = children[i+1].key
		}
		if err := w.page(c.page, nesting, depth+1, c.key, upper); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(id uint64, b []byte, nesting, depth int, low, high []byte) error {
	return eachLeaf(id, b, low, high, func(flags uint32, key, value []byte) error {
		return w.entry(id, flags, key, value, nesting, depth)
	})
}

// A child is an entry of a branch.
type child struct {
	key  []byte
	page uint64
}

// childrenOf returns the entries of a branch whose keys must ascend in [low, high).
func childrenOf(id uint64, b, low, high []byte) ([]child, error) {
	n := count(b)
	if n == 0 && low != nil || pageHeader+n*branchEntry > len(b) {
		return nil, damage(id, "%d entries", n)
	}
	children := make([]child, n)
	begins := pageHeader + n*branchEntry
	for i := range children {
		key, page, ok := branchAt(b, i)
		if !ok {
			return nil, damage(id, "key %d reaches beyond the page", i)
		}
		if err := behind(id, i, b, pageHeader+i*branchEntry, 0, begins); err != nil {
			return nil, err
		}
		begins += len(key)
		if err := inOrder(id, i, key, low, high); err != nil {
			return nil, err
		}
		if i > 0 && bytes.Compare(children[i-1].key, key) >= 0 {
			return nil, damage(id, "key %d is not above the one before it", i)
		}
		children[i] = child{key, page}
	}
	return children, nil
}

// eachLeaf calls fn with the entries of a leaf, whose keys must ascend in [low, high). Only where low is nil may it be empty: bbolt takes an empty page out
// of its tree, and writes an empty bucket within the entry.
func eachLeaf(id uint64, b, low, high []byte, fn func(flags uint32, key, value []byte) error) error {
	n := count(b)
	if n == 0 && low != nil || pageHeader+n*leafEntry > len(b) {
		return damage(id, "%d entries", n)
	}
	var before []byte
	begins := pageHeader + n*leafEntry
	for i := range n {
		flags, key, value, ok := leafAt(b, i)
		if !ok {
			return damage(id, "entry %d reaches beyond the page", i)
		}
		if err := behind(id, i, b, pageHeader+i*leafEntry, 4, begins); err != nil {
			return err
		}
		begins += len(key) + len(value)
		if err := inOrder(id, i, key, low, high); err != nil {
			return err
		}
		if i > 0 && bytes.Compare(before, key) >= 0 {
			return damage(id, "key %d is not above the one before it", i)
		}
		before = key
		if err := fn(flags, key, value); err != nil {
			return err
		}
	}
	return nil
}

// entry visits one entry of a leaf: a value, or a bucket with pages of its own or within the entry.
func (w *walk) entry(id uint64, flags uint32, key, value []byte, nesting, depth int) error {
	switch {
	case flags == flagValue && nesting == 0:
		return damage(id, "a value outside of any bucket")
	case flags == flagValue:
		return w.visit(w.name, key, value)
	case flags != flagBucket || len(value) < bucketHeader:
		return damage(id, "flags %#x of an entry of %d bytes", flags, len(value))
	}
	if nesting == 0 {
		w.name = bytes.Clone(key)
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		// A level of its own for the buffers: the parent's leaf is still being read.
		return w.page(root, nesting+depth+1, 0, []byte{}, nil)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || binary.LittleEndian.Uint16(inline[8:]) != flagLeaf {
		return damage(id, "an inline bucket without a leaf")
	}
	return w.leaf(id, inline, nesting+depth+1, 0, nil, nil)
}

// slice returns n bytes of b at the position that pos tells, relative to at.
func slice(b []byte, at int, pos []byte, n uint32) ([]byte, bool) {
	from := uint64(at) + uint64(binary.LittleEndian.Uint32(pos))
	to := from + uint64(n)
	if to > uint64(len(b)) {
		return nil, false
	}
	return b[from:to:to], true
}

// behind checks that the bytes of entry i, whose header is at at and has its pos there, begin where those of the entry before end, the first's behind
// all headers: so bbolt writes every page, and a count or length that is not what was written shows.
func behind(id uint64, i int, b []byte, at, pos, begins int) error {
	if from := at + int(binary.LittleEndian.Uint32(b[at+pos:])); from != begins {
		return damage(id, "entry %d begins at byte %d instead of %d", i, from, begins)
	}
	return nil
}

func inOrder(id uint64, i int, key, low, high []byte) error {
	if low != nil && bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
		return damage(id, "key %d is outside of what the page above says", i)
	}
	return nil
}

// freelist checks that every page is either in the tree or free.
func (w *walk) freelist() error {
	if w.info.freelist == noFreelist {
		return nil
	}
	id := w.info.freelist
	b, err := w.read(id, 0)
	if err != nil {
		return err
	}
	free, err := freelistOf(id, b)
	if err != nil {
		return err
	}
	for len(free) > 0 {
		page := binary.LittleEndian.Uint64(free)
		free = free[8:]
		if page < 2 || page >= w.info.Pages || !w.seen.set(page) {
			return damage(page, "is on the list of free pages and not free")
		}
	}
	if lost, ok := w.seen.firstClear(w.info.Pages); ok {
		return damage(lost, "is neither used nor free")
	}
	return nil
}

// freelistOf returns the ids in a list of free pages, 8 bytes each.
func freelistOf(id uint64, b []byte) ([]byte, error) {
	le := binary.LittleEndian
	if le.Uint16(b[8:]) != flagFreelist {
		return nil, damage(id, "is not the list of free pages")
	}
	n, at := uint64(count(b)), pageHeader
	if n == 0xFFFF {
		n, at = le.Uint64(b[pageHeader:]), pageHeader+8
	}
	if n > uint64(len(b)-at)/8 {
		return nil, damage(id, "%d free pages in a list of %d bytes", n, len(b))
	}
	return b[at : at+8*int(n)], nil
}
