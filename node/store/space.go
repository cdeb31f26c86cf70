package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
)

// A Space is a set of memories that is stored, linked and recalled by itself. Its methods may be called from any goroutine.
type Space struct {
	store *Store
	id    record.SpaceID
	name  atomic.Pointer[string]
	dir   string // inside the store's file system
	views []View
	base  atomic.Pointer[base] // nil while damaged at open; replaced by a compaction, under baseMu

	feeding sync.Mutex // from the memtable to the last view: one batch, and no freezing in between

	mu     sync.RWMutex // index, tables, faults; taken for single look-ups only
	index  *index
	active *memtable
	frozen *memtable // being written into the base, or nil
	last   uint64    // LSN of the last op of this space
	faults []error

	// Of the writer, after Open: under its lock.
	next       record.Ord   // never given yet
	free       []record.Ord // given, deleted, and freed
	dead       map[record.Ord]bool
	draft      *draft // of the youngest batch that does something to the space and is not visible yet
	spareDraft *draft
	ends       *ends // where edges begin and end; nil once loaded

	// Of whoever writes the base: a checkpoint, a migration.
	baseMu     sync.Mutex
	compacting sync.Mutex
	state      state

	applied  atomic.Uint64 // state.applied, for others to see
	damage   atomic.Pointer[error]
	dropped  atomic.Bool
	replaced atomic.Bool // by another space of its name; set before dropped

	scrubbed atomic.Pointer[Scrubbed]
}

const maxFaults = 100

// ID and Name say which space it is.
func (s *Space) ID() record.SpaceID { return s.id }

// Name returns the name under which the space was opened or to which it was renamed.
func (s *Space) Name() string { return *s.name.Load() }

// Dir returns the directory of the space, for views that have files.
func (s *Space) Dir() string { return s.store.opts.FS.Path(s.dir) }

// Views returns the views that were made for the space.
func (s *Space) Views() []View { return s.views }

// Err returns why the space cannot be used: a *DamageError, ErrReplaced or ErrNoSpace after it was deleted, or nil.
func (s *Space) Err() error {
	if p := s.damage.Load(); p != nil {
		return *p
	}
	switch {
	case !s.dropped.Load():
		return nil
	case s.replaced.Load():
		return fmt.Errorf("%w: %s", ErrReplaced, s.Name())
	}
	return fmt.Errorf("%w: %s was deleted", ErrNoSpace, s.Name())
}

// Count returns the number of memories.
func (s *Space) Count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.live
}

// Lookup returns the ordinal and the version of id; false if there is no such memory.
func (s *Space) Lookup(id string) (record.Ord, uint64, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord := s.index.lookup(id)
	return ord, s.index.version(ord), ord != 0
}

// perLook is how many ids are looked up under one lock: many at a time are cheaper, and the writer waits for them.
const perLook = 256

// RecordIDs appends the ids of ords to dst; an empty one for what is not alive.
func (s *Space) RecordIDs(dst []string, ords []record.Ord) []string {
	for some := range slices.Chunk(ords, perLook) {
		s.mu.RLock()
		for _, ord := range some {
			id := ""
			if s.index.version(ord) != 0 {
				id = s.index.id(ord)
			}
			dst = append(dst, id)
		}
		s.mu.RUnlock()
	}
	return dst
}

// RecordID returns the id of ord; false if it is not alive.
func (s *Space) RecordID(ord record.Ord) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.index.version(ord) == 0 {
		return "", false
	}
	return s.index.id(ord), true
}

// Version returns the version of ord, zero if it is not alive. It is authoritative: bytes of another version are a
// miss.
func (s *Space) Version(ord record.Ord) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.version(ord)
}

// Limit returns an ordinal above all that are in use.
func (s *Space) Limit() record.Ord {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return record.Ord(len(s.index.rows))
}

// Dead returns the ordinals that were deleted and not given back yet. Views may ask in Loaded only.
func (s *Space) Dead() []record.Ord { return slices.Collect(maps.Keys(s.dead)) }

// IndexBytes returns what ids and versions of all memories take in memory.
func (s *Space) IndexBytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.bytes()
}

// isolate remembers damage that touches single values only.
func (s *Space) isolate(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.faults, func(old error) bool { return old.Error() == err.Error() }) {
		return // it was found before
	}
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, err)
	}
	s.store.opts.Logger.Error("a stored value is damaged", "space", s.Name(), "error", err)
}

// Faults returns the damaged values that were found so far, at most 100.
func (s *Space) Faults() []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]error(nil), s.faults...)
}

// failed notes what an operation on the base ended with: structural damage refuses the space from now on.
func (s *Space) failed(err error) error {
	if gone := s.Err(); err != nil && gone != nil {
		return gone // the base was closed meanwhile
	}
	if errors.Is(err, ErrReadOnly) {
		s.store.breaks(err)
	}
	if !errors.Is(err, pages.ErrDamaged) {
		return err
	}
	return s.refuse(err)
}

func (s *Space) refuse(cause error) error {
	var err error = &DamageError{Space: s.Name(), File: s.Dir() + "/base.db", Cause: cause}
	if s.damage.CompareAndSwap(nil, &err) {
		s.store.opts.Logger.Error("a space is refused", "space", s.Name(), "error", cause)
	}
	return *s.damage.Load()
}
