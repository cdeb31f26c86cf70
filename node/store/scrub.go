package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
)

// Scrubbed is what a scrub of a space found.
type Scrubbed struct {
	At      time.Time // when it ended
	Bytes   int64     // of the base that were read
	Values  int       // memories, edges, accesses: whatever has a checksum
	Damaged int       // of them
	Vectors int       // in the views' files
	Broken  int       // of them, found by this scrub
}

// scrubChunk is how much is read between two looks at the clock.
const scrubChunk = 1 << 20

// Scrub reads the whole base as it is on the disk, every page and every checksum, at most pace bytes a second (zero: as fast
// as it can), beside readers and writers, and then what views keep in files. Damaged values are isolated ([Space.Faults]);
// damage of the structure refuses the space ([DamageError]).
func (s *Space) Scrub(ctx context.Context, pace int64) (Scrubbed, error) {
	if err := s.Err(); err != nil {
		return Scrubbed{}, err
	}
	snap, err := s.snapshot()
	if err != nil {
		return Scrubbed{}, s.failed(err)
	}
	sc := scrubbing{space: s}
	r := &pacedReader{ctx: ctx, from: snap.base.file, pace: pace, began: time.Now()}
	err = snap.walk(r, sc.entry)
	snap.release()
	if err == nil {
		err = sc.check()
	}
	sc.found.Bytes = r.read
	if err == nil {
		err = sc.views(ctx)
	}
	if errors.Is(err, syscall.EIO) {
		err = fmt.Errorf("%w: %w", pages.ErrDamaged, err)
	}
	if err != nil {
		return sc.found, s.failed(fmt.Errorf("scrub space %s: %w", s.Name(), err))
	}
	sc.found.At = s.store.opts.Now()
	s.scrubbed.Store(&sc.found)
	return sc.found, nil
}

// LastScrub returns what the last whole scrub found; nil if there was none since the start.
func (s *Space) LastScrub() *Scrubbed { return s.scrubbed.Load() }

// A scrubbing is one reading of a base.
type scrubbing struct {
	space  *Space
	found  Scrubbed
	state  state
	told   bool
	count  uint64
	hashes uint64
}

func (sc *scrubbing) entry(bucket, key, value []byte) error {
	sc.found.Values++
	if bytes.Equal(bucket, bucketRecords) {
		ord, err := keyOrd(key)
		if err != nil {
			return fmt.Errorf("%w: %w", pages.ErrDamaged, err)
		}
		sc.count++
		sc.hashes += keyHash(ord)
		return sc.isolate(record.Value(value).Check(ord))
	}
	plain, err := unseal(string(bucket), key, value)
	if err == nil && bytes.Equal(bucket, bucketMeta) && bytes.Equal(key, keyState) {
		sc.told = true
		sc.state, err = readState(plain)
	}
	if err != nil && bytes.Equal(bucket, bucketMeta) {
		return fmt.Errorf("%w: %w", pages.ErrDamaged, err)
	}
	return sc.isolate(err)
}

func (sc *scrubbing) isolate(err error) error {
	if err != nil {
		sc.found.Damaged++
		sc.space.isolate(err)
	}
	return nil
}

// check compares what was found with what the base says it has.
func (sc *scrubbing) check() error {
	switch {
	case !sc.told:
		return fmt.Errorf("%w: the base has no state", pages.ErrDamaged)
	case sc.state.count != sc.count || sc.state.hashes != sc.hashes:
		return fmt.Errorf("%w: the base has %d records where it says %d, or others", pages.ErrDamaged, sc.count, sc.state.count)
	}
	return nil
}

// views scrubs the files of the views that have some.
func (sc *scrubbing) views(ctx context.Context) error {
	for _, v := range sc.space.views {
		files, ok := v.(interface {
			Scrub(ctx context.Context) (read, found int, err error)
		})
		if !ok {
			continue
		}
		read, found, err := files.Scrub(ctx)
		sc.found.Vectors += read
		sc.found.Broken += found
		if err != nil {
			return err
		}
	}
	return nil
}

// A pacedReader reads no faster than pace.
type pacedReader struct {
	ctx   context.Context
	from  io.ReaderAt
	pace  int64
	began time.Time
	read  int64
	next  int64 // where to look at the clock again
}

// ReadAt implements io.ReaderAt.
func (r *pacedReader) ReadAt(b []byte, off int64) (int, error) {
	if r.read >= r.next {
		if err := r.wait(); err != nil {
			return 0, err
		}
		r.next = r.read + scrubChunk
	}
	n, err := r.from.ReadAt(b, off)
	r.read += int64(n)
	return n, err
}

func (r *pacedReader) wait() error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if r.pace <= 0 {
		return nil
	}
	due := r.began.Add(time.Duration(float64(r.read) / float64(r.pace) * float64(time.Second)))
	pause := time.NewTimer(time.Until(due))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}
