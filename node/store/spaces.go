package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/wal"
)

// A SpaceInfo is what the catalog says of a space.
type SpaceInfo struct {
	ID        record.SpaceID
	Name      string
	Dimension int // of its vectors; 0: not fixed yet
	Count     int
	CreatedAt time.Time
	Err       error // why it is refused, or nil
}

// ErrReplaced: another space took the name meanwhile ([Store.Adopt]); who asks again gets that one. errors.Is finds ErrNoSpace in it, too.
var ErrReplaced error = replaced{}

type replaced struct{}

func (replaced) Error() string {
	return "the space has just been replaced by a restored one: try again"
}

func (replaced) Is(target error) bool { return target == ErrNoSpace }

// ErrSpaceExists: a space of this name exists with another dimension, or at all.
var ErrSpaceExists = errors.New("a space of this name exists")

// Space returns the space of this name or alias.
func (st *Store) Space(name string) (*Space, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if target, ok := st.catalog.Aliases[name]; ok {
		name = target
	}
	s := st.spaces[name]
	if s == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoSpace, name)
	}
	return s, nil
}

// Spaces returns what there is, by name.
func (st *Store) Spaces() []SpaceInfo {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var out []SpaceInfo
	for _, e := range st.catalog.Spaces {
		if s := st.byID[e.ID]; s != nil && !e.Deleted {
			out = append(out, SpaceInfo{ID: e.ID, Name: e.Name, Dimension: e.Dimension, Count: s.Count(), CreatedAt: e.CreatedAt, Err: s.Err()})
		}
	}
	slices.SortFunc(out, func(a, b SpaceInfo) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// Create makes a space. It is no error if there is one of this name and dimension.
func (st *Store) Create(name string, dimension int) (*Space, error) {
	if err := record.CheckSpaceName(name); err != nil {
		return nil, err
	}
	if dimension < 0 || dimension > record.MaxDimension {
		return nil, &record.InvalidError{Field: "dimension", Reason: fmt.Sprintf("%d is outside 0 to %d", dimension, record.MaxDimension)}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if e := st.catalog.find(name); e != nil {
		if e.Dimension != dimension {
			return nil, fmt.Errorf("%w: %s has dimension %d", ErrSpaceExists, name, e.Dimension)
		}
		return st.spaces[name], nil
	}
	if _, taken := st.catalog.Aliases[name]; taken {
		return nil, fmt.Errorf("%w: %s is an alias", ErrSpaceExists, name)
	}
	// Its files come before its entry: a space of the catalog has a base, or lost it.
	c := st.catalog.clone()
	e := entry{ID: c.NextID, Name: name, Dimension: dimension, CreatedAt: st.opts.Now().UTC()}
	c.NextID++
	if err := st.replace(c); err != nil {
		return nil, err
	}
	s, err := st.begin(e)
	if err != nil {
		return nil, errors.Join(err, removeAll(st.opts.FS.Path(spaceDir(e.ID))))
	}
	c = c.clone()
	c.Spaces = append(c.Spaces, e)
	if err := st.replace(c); err != nil {
		return nil, st.discard(e, errors.Join(err, s.close()))
	}
	st.spaces[name], st.byID[e.ID] = s, s
	return s, nil
}

// begin opens a space that is new in this store, and notes that the log so far has nothing for it.
func (st *Store) begin(e entry) (*Space, error) {
	if err := st.opts.FS.MakeDir(spaceDir(e.ID)); err != nil {
		return nil, room(fmt.Errorf("make the directory of space %s: %w", e.Name, err))
	}
	err := makeBase(st.opts.FS.Path(spaceDir(e.ID))+"/base.db", e.ID)
	if err != nil {
		return nil, room(fmt.Errorf("space %s: %w", e.Name, err))
	}
	s, err := st.openSpace(e)
	if err == nil {
		err = s.Err()
	}
	if err == nil {
		w := baseWriter{space: s, state: s.state}
		err = w.commit(st.applied.Load(), nil)
	}
	if err == nil {
		err = st.opts.FS.SyncDir(s.dir)
	}
	if err == nil {
		err = s.loaded()
	}
	if err != nil {
		return nil, room(errors.Join(err, s.close()))
	}
	return s, nil
}

// Dimension returns the length of the vectors of s; zero if it is not fixed yet.
func (s *Space) Dimension() int {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if e := s.store.catalog.find(s.Name()); e != nil {
		return e.Dimension
	}
	return 0
}

// FixDimension sets the length of the vectors of s if it is not fixed yet.
func (s *Space) FixDimension(n int) error {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.catalog.clone()
	e := c.find(s.Name())
	switch {
	case e == nil:
		return fmt.Errorf("%w: %s", ErrNoSpace, s.Name())
	case e.Dimension == n:
		return nil
	case e.Dimension != 0:
		return &record.InvalidError{Field: "vector", Reason: fmt.Sprintf("has %d numbers; this space has %d", n, e.Dimension)}
	}
	e.Dimension = n
	if err := st.replace(c); err != nil {
		return err
	}
	return nil
}

// Alias makes name a second name of the space target, in place of what it led to before. An empty target removes it.
func (st *Store) Alias(name, target string) error {
	if err := record.CheckSpaceName(name); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.catalog.clone()
	switch {
	case c.find(name) != nil:
		return fmt.Errorf("%w: %s", ErrSpaceExists, name)
	case target == "":
		delete(c.Aliases, name)
	case c.find(target) == nil:
		return fmt.Errorf("%w: %s", ErrNoSpace, target)
	default:
		c.Aliases[name] = target
	}
	if err := st.replace(c); err != nil {
		return err
	}
	return nil
}

// Aliases returns the names that lead to spaces, and the names of those.
func (st *Store) Aliases() map[string]string {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return maps.Clone(st.catalog.Aliases)
}

// Drop deletes a space: a tombstone in the catalog, then its files. What the log still says about its id is
// ignored for ever. Run must be running.
func (st *Store) Drop(ctx context.Context, name string) error {
	s, err := st.bury(name)
	if err != nil {
		return err
	}
	return st.retire(ctx, s)
}

// retire ends a space that is not in the catalog any more.
func (st *Store) retire(ctx context.Context, s *Space) error {
	s.dropped.Store(true)
	// Behind this empty group the writer has nothing of the space under way.
	if err := st.log.Append(ctx, &group{space: s}); err != nil && st.log.Poisoned() == nil {
		return logError(err)
	}
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	err := s.close()
	s.mu.Lock()
	st.memory.Add(-s.active.bytes)
	if s.frozen != nil {
		st.memory.Add(-s.frozen.bytes)
		s.frozen = nil
	}
	s.active = s.emptied()
	s.mu.Unlock()
	st.room.signal()
	return errors.Join(err, st.sweep(s.id))
}

// bury takes a space out of the catalog.
func (st *Store) bury(name string) (*Space, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.catalog.clone()
	e := c.find(name)
	if e == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoSpace, name)
	}
	e.Deleted = true
	for alias, target := range c.Aliases {
		if target == name {
			delete(c.Aliases, alias)
		}
	}
	if err := st.replace(c); err != nil {
		return nil, err
	}
	s := st.byID[e.ID]
	delete(st.spaces, name)
	delete(st.byID, e.ID)
	return s, nil
}

// sweep removes the files of a deleted space, and then its tombstone.
func (st *Store) sweep(id record.SpaceID) error {
	if err := removeAll(st.opts.FS.Path(spaceDir(id))); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.catalog.clone()
	c.Spaces = slices.DeleteFunc(c.Spaces, func(e entry) bool { return e.ID == id && e.Deleted })
	if err := st.replace(c); err != nil {
		return err
	}
	return nil
}

// Stats are what the store tells about itself.
type Stats struct {
	WAL           wal.Stats
	Recovery      wal.Report
	MemtableBytes int64
	ReadOnly      error // why writes are refused, or nil
}

// Stats tells about the store.
func (st *Store) Stats() Stats {
	return Stats{WAL: st.log.Stats(), Recovery: st.report, MemtableBytes: st.memory.Load(), ReadOnly: st.readOnly()}
}

// SetWALRetention changes how long segments of the log are kept after their checkpoint.
func (st *Store) SetWALRetention(d time.Duration) { st.log.SetRetention(d) }

// WALRetention is how long segments of the log are kept after their checkpoint.
func (st *Store) WALRetention() time.Duration { return st.log.Retention() }

// TrimWAL lets go of the log's segments that are checkpointed and older than keep.
func (st *Store) TrimWAL(keep time.Duration) error { return st.log.Trim(keep) }

func (st *Store) readOnly() error {
	if p := st.broken.Load(); p != nil {
		return *p
	}
	if err := st.log.Poisoned(); err != nil {
		return logError(err)
	}
	return nil
}
