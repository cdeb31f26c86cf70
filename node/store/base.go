package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
	"go.etcd.io/bbolt"
)

// The buckets of a base, in the order in which they are loaded. Keys that are ordinals (or pages of them) are 8 bytes, big endian.
var (
	bucketMeta    = []byte("0meta")    // name: sealed bytes
	bucketDead    = []byte("1dead")    // ordinal: sealed nothing
	bucketRecords = []byte("2records") // ordinal: record.Value
	bucketEdges   = []byte("3edges")   // source: sealed edges
	bucketAccess  = []byte("4access")  // page: sealed accesses
	buckets       = [][]byte{bucketMeta, bucketRecords, bucketEdges, bucketAccess, bucketDead}
)

// keyState is where the meta bucket holds the state.
var keyState = []byte("state")

// A state is what a base says about itself; it changes in the transaction that makes it true.
type state struct {
	space   record.SpaceID
	applied uint64 // every op up to here is in the base
	count   uint64 // records
	hashes  uint64 // the sum of the hashes of their keys: a record that vanished shows
	next    record.Ord
}

func (s state) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(s.space))
	dst = le.AppendUint32(dst, uint32(s.next))
	dst = le.AppendUint64(dst, s.applied)
	dst = le.AppendUint64(dst, s.count)
	return le.AppendUint64(dst, s.hashes)
}

func readState(b []byte) (state, error) {
	if len(b) != 32 {
		return state{}, fmt.Errorf("%w: state of %d bytes", record.ErrCorrupt, len(b))
	}
	le := binary.LittleEndian
	return state{
		space: record.SpaceID(le.Uint32(b)), next: record.Ord(le.Uint32(b[4:])),
		applied: le.Uint64(b[8:]), count: le.Uint64(b[16:]), hashes: le.Uint64(b[24:]),
	}, nil
}

// keyHash spreads an ordinal over 64 bits (splitmix64).
func keyHash(ord record.Ord) uint64 {
	z := uint64(ord) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func ordKey(ord record.Ord) []byte { return binary.BigEndian.AppendUint64(nil, uint64(ord)) }

func keyOrd(key []byte) (record.Ord, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("%w: key of %d bytes", record.ErrCorrupt, len(key))
	}
	n := binary.BigEndian.Uint64(key)
	if n > uint64(record.MaxOrd) {
		return 0, fmt.Errorf("%w: key %d", record.ErrCorrupt, n)
	}
	return record.Ord(n), nil
}

// A base is the bbolt file of a space.
type base struct {
	path string
	db   *bbolt.DB
}

// openBase opens the file, which was walked before, or makes it.
func openBase(path string, mapBytes int, space record.SpaceID) (*base, error) {
	b := &base{path: path}
	err := b.guard(func() error {
		db, err := bbolt.Open(path, 0o640, &bbolt.Options{
			Timeout: time.Second, InitialMmapSize: mapBytes, FreelistType: bbolt.FreelistMapType,
		})
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		b.db = db
		return db.Update(func(tx *bbolt.Tx) error { return prepareBase(tx, space) })
	})
	if err != nil && b.db != nil {
		err = errors.Join(err, b.db.Close())
	}
	return b, err
}

func prepareBase(tx *bbolt.Tx, space record.SpaceID) error {
	if tx.Bucket(bucketMeta) != nil {
		return nil
	}
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("create bucket: %w", err)
		}
	}
	return putSealed(tx.Bucket(bucketMeta), keyState, state{space: space, next: 1}.append(nil))
}

func putSealed(b *bbolt.Bucket, key, value []byte) error {
	return b.Put(key, appendSealed(nil, key, value))
}

// guard runs fn and turns what a damaged file does to bbolt into an error: panics, and faults of its map.
func (b *base) guard(fn func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: bbolt stopped: %v", pages.ErrDamaged, p)
		}
	}()
	return fn()
}

func (b *base) view(fn func(tx *bbolt.Tx) error) error {
	return b.guard(func() error { return b.db.View(fn) })
}

func (b *base) update(fn func(tx *bbolt.Tx) error) error {
	return b.guard(func() error { return b.db.Update(fn) })
}

// get calls fn with the value of ord, within a transaction; found tells whether there is one.
func (b *base) get(ord record.Ord, fn func(record.Value) error) (found bool, err error) {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], uint64(ord))
	err = b.view(func(tx *bbolt.Tx) error {
		v := record.Value(tx.Bucket(bucketRecords).Get(key[:]))
		if v == nil {
			return nil
		}
		found = true
		if err := v.Check(ord); err != nil {
			return err
		}
		return fn(v)
	})
	return found, err
}

// walk checks the whole file and shows each entry.
func walkFile(path string, visit func(bucket, key, value []byte) error) (pages.Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return pages.Info{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return pages.Info{}, err
	}
	return pages.Walk(f, info.Size(), visit)
}

func (b *base) close() error {
	if b.db == nil {
		return nil
	}
	return b.guard(b.db.Close)
}
