package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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

// A base is the bbolt file of a space. bbolt trusts what it reads, so it is asked as little as possible: reads go through
// a [snapshot], and what a write will touch is inspected first. Writes, and the making of snapshots, are those of one
// goroutine at a time; reads are anybody's.
type base struct {
	path string
	file *os.File // as bbolt opened it
	db   *bbolt.DB
	note func(bucket, key []byte) // told what a transaction changes, if not nil
	// fault, if not nil, is how a commit ends; of tests
	fault func() error

	mu      sync.RWMutex // current
	current *snapshot    // nil once closed

	stopped  atomic.Pointer[error] // why nothing is written any more
	panicked atomic.Bool           // bbolt may hold its own locks for ever: it is not asked anything any more
}

// minMap is how much a base can grow at least before its map, which is never replaced, ends.
const minMap = 64 << 20

// Files beside a base that are not it yet. What is left of them is removed at open.
const (
	unfinishedBase = ".new"     // one that is being made
	compactedBase  = ".compact" // one that is to take its place
)

// sweepBase removes what was left unfinished beside the base.
func sweepBase(path string) error {
	for _, suffix := range []string{unfinishedBase, compactedBase} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was unfinished: %w", err)
		}
	}
	return nil
}

// makeBase makes the file of a space that is new, unless it is there: whole or not at all. The caller syncs its name.
func makeBase(path string, space record.SpaceID) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := sweepBase(path); err != nil {
		return err
	}
	b, err := bareBase(path+unfinishedBase, 0, false)
	if err == nil {
		err = b.guard(func() error {
			return b.db.Update(func(tx *bbolt.Tx) error { return prepareBase(tx, space) })
		})
	}
	if err := errors.Join(err, b.close()); err != nil {
		return errors.Join(fmt.Errorf("make %s: %w", path, err), os.Remove(path+unfinishedBase))
	}
	return os.Rename(path+unfinishedBase, path)
}

// openBase opens the file, which was walked before. It writes nothing: reads go on where the disk is full.
func openBase(path string, mapBytes int) (*base, error) {
	b, err := bareBase(path, mapBytes, false)
	if err == nil {
		err = b.refresh()
	}
	if err != nil {
		err = errors.Join(err, b.close())
	}
	return b, err
}

// pageBytes is the page of a new base. bbolt writes page by page: a larger one means fewer calls for the same bytes, and more bytes for a
// change here and there.
const pageBytes = 16 << 10

// fillPages is how full pages get in which keys are appended: some room for values that grow. bbolt's half would be twice the file.
const fillPages = 0.9

// bareBase opens the file and nothing more.
func bareBase(path string, mapBytes int, noSync bool) (*base, error) {
	b := &base{path: path}
	info, err := os.Stat(path)
	switch {
	case err == nil:
		mapBytes = max(mapBytes, 2*int(info.Size()))
	case !errors.Is(err, fs.ErrNotExist):
		return b, err
	}
	mapBytes = max(mapBytes, minMap)
	return b, b.guard(func() error {
		db, err := bbolt.Open(path, 0o640, &bbolt.Options{
			Timeout: time.Second, PageSize: pageBytes, InitialMmapSize: mapBytes, MaxSize: mapBytes, FreelistType: bbolt.FreelistMapType, NoSync: noSync,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag, mode)
				b.file = f
				return f, err
			},
		})
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		b.db = db
		return nil
	})
}

func prepareBase(tx *bbolt.Tx, space record.SpaceID) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("create bucket: %w", err)
		}
	}
	return tx.Bucket(bucketMeta).Put(keyState, appendSealed(nil, keyState, state{space: space, next: 1}.append(nil)))
}

// settle makes what was written without syncs durable, and visible to readers.
func (b *base) settle() error {
	b.db.NoSync = false
	if err := b.guard(b.db.Sync); err != nil {
		return fmt.Errorf("sync %s: %w", b.path, err)
	}
	return b.refresh()
}

// known refuses entries of a bucket that no base has: its name was damaged.
func known(visit func(bucket, key, value []byte) error) func(bucket, key, value []byte) error {
	var last []byte
	return func(bucket, key, value []byte) error {
		if last == nil || !bytes.Equal(bucket, last) {
			i := slices.IndexFunc(buckets, func(name []byte) bool { return bytes.Equal(bucket, name) })
			if i < 0 {
				return fmt.Errorf("%w: there is a bucket %q", pages.ErrDamaged, bucket)
			}
			last = buckets[i]
		}
		return visit(bucket, key, value)
	}
}

// walkFile checks the whole file and shows each entry.
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
	return pages.Walk(f, info.Size(), known(visit))
}

// close waits for the readers.
func (b *base) close() error {
	b.mu.Lock()
	last := b.current
	b.current = nil
	b.mu.Unlock()
	if last != nil {
		last.release()
	}
	switch {
	case b.db == nil:
		return nil
	case b.panicked.Load():
		return b.file.Close() // the map stays until the process ends
	}
	return b.guard(b.db.Close)
}
