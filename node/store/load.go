package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
)

// A DamageError says that the base of a space is damaged, and what to do. Other spaces are not touched.
type DamageError struct {
	Space string
	File  string
	Cause error // a *pages.Damage where the structure is damaged
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("space %s: %s is damaged: %v; bring it back with: engramd node snapshot restore --space %s",
		e.Space, e.File, e.Cause, e.Space)
}

// Unwrap makes errors.Is(err, ErrDamaged) true, and the cause reachable.
func (e *DamageError) Unwrap() []error { return []error{ErrDamaged, e.Cause} }

// A loading fills a space from its base: checks, index, views.
type loading struct {
	space  *Space
	state  state
	found  bool // the state was read
	count  uint64
	hashes uint64
	edges  []EdgeTo
}

// load reads the base of s. An error about its content wraps pages.ErrDamaged or record.ErrCorrupt.
func (s *Space) load(path string) error {
	l := loading{space: s}
	_, err := walkFile(path, l.entry)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no such file", pages.ErrDamaged)
	}
	if err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return err
	}
	s.state = l.state
	s.next = max(s.next, l.state.next)
	return nil
}

// check compares what was found with what the base says it has.
func (l *loading) check() error {
	switch {
	case !l.found:
		return fmt.Errorf("%w: the base has no state", pages.ErrDamaged)
	case l.state.space != l.space.id:
		return fmt.Errorf("%w: the base is of space %d, not %d", pages.ErrDamaged, l.state.space, l.space.id)
	case l.state.count != l.count || l.state.hashes != l.hashes:
		return fmt.Errorf("%w: the base has %d records where it says %d, or others", pages.ErrDamaged, l.count, l.state.count)
	}
	return nil
}

func (l *loading) entry(bucket, key, value []byte) error {
	if bytes.Equal(bucket, bucketMeta) {
		return l.meta(key, value)
	}
	ord, err := keyOrd(key)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", pages.ErrDamaged, bucket, err)
	}
	if bytes.Equal(bucket, bucketRecords) {
		return l.value(ord, record.Value(value))
	}
	b, err := unseal(string(bucket), key, value)
	if err != nil {
		l.space.isolate(err)
		return nil
	}
	switch {
	case bytes.Equal(bucket, bucketEdges):
		if l.edges, err = readEdges(l.edges[:0], b); err != nil {
			l.space.isolate(err)
			return nil
		}
		l.space.ends.mark(ord)
		for _, e := range l.edges {
			l.space.ends.mark(e.To)
		}
		for _, v := range l.space.views {
			v.LoadEdges(ord, l.edges)
		}
	case bytes.Equal(bucket, bucketAccess):
		err = eachAccess(ord, b, func(ord record.Ord, a record.Access) {
			for _, v := range l.space.views {
				v.LoadAccess(ord, a)
			}
		})
	case bytes.Equal(bucket, bucketDead):
		l.space.dead[ord] = true
	}
	return err
}

// maxExpected bounds the room that is made beforehand.
const maxExpected = 64 << 20

func (l *loading) meta(key, value []byte) error {
	b, err := unseal("meta", key, value)
	if err != nil {
		return fmt.Errorf("%w: %w", pages.ErrDamaged, err)
	}
	if bytes.Equal(key, keyState) {
		l.found = true
		if l.state, err = readState(b); err == nil {
			l.space.index.expect(int(min(l.state.count, maxExpected)), min(l.state.next, maxExpected))
		}
	}
	return err
}

// value takes one record. One whose bytes are not what was written is isolated: it stays known by its id, reading
// it is an error, a put heals it, and everything else serves.
func (l *loading) value(ord record.Ord, v record.Value) error {
	l.count++
	l.hashes += keyHash(ord)
	if err := v.Check(ord); err != nil {
		l.space.isolate(err)
		if id, ok := v.SalvageID(); ok && l.space.index.lookup(id) == 0 {
			l.space.index.replay(ord, id, max(1, v.Version()))
		}
		return nil
	}
	l.space.index.replay(ord, v.IDString(), v.Version())
	for _, view := range l.space.views {
		view.LoadValue(ord, v)
	}
	return nil
}
