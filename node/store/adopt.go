package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/engramd/engramd/node/record"
)

// Adopt makes a space from files of another one: a snapshot that is restored, a copy. fill puts base.db and the views' files into dir. The space gets an
// id of its own, so that nothing in the log concerns it, and takes the name in place of the space that has
// it, if any, which is deleted. Until then nothing has changed; afterwards everything has. Run must be running.
func (st *Store) Adopt(ctx context.Context, name string, dimension int, fill func(dir string) error) (*Space, error) {
	if err := record.CheckSpaceName(name); err != nil {
		return nil, err
	}
	e, err := st.reserve(name, dimension)
	if err != nil {
		return nil, err
	}
	s, err := st.adopt(ctx, e, fill)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("adopt space %s: %w", name, err), removeAll(st.opts.FS.Path(spaceDir(e.ID))))
	}
	old, err := st.swap(e, s)
	if err != nil {
		return nil, st.discard(e, errors.Join(err, s.close()))
	}
	if old != nil {
		old.replaced.Store(true)
		err = st.retire(ctx, old)
	}
	return s, err
}

// reserve gives out a space id.
func (st *Store) reserve(name string, dimension int) (entry, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.catalog.clone()
	e := entry{ID: c.NextID, Name: name, Dimension: dimension, CreatedAt: st.opts.Now().UTC()}
	c.NextID++
	if err := st.replace(c); err != nil {
		return e, err
	}
	return e, nil
}

func (st *Store) adopt(ctx context.Context, e entry, fill func(dir string) error) (*Space, error) {
	dir := spaceDir(e.ID)
	if err := st.opts.FS.MakeDir(dir); err != nil {
		return nil, err
	}
	if err := fill(st.opts.FS.Path(dir)); err != nil {
		return nil, err
	}
	file := st.opts.FS.Path(path.Join(dir, "base.db"))
	report, err := Inspect(ctx, file)
	if err != nil {
		return nil, err
	}
	if report.Applied > st.applied.Load() {
		if err := st.takeOver(ctx, file); err != nil {
			return nil, err
		}
	}
	if err := rebrand(file, e.ID, st.applied.Load()); err != nil {
		return nil, err
	}
	return st.begin(e)
}

// takeOver fits a base of another node, whose log was further, into this one.
func (st *Store) takeOver(ctx context.Context, file string) error {
	if spaces := st.open(); st.applied.Load() == 0 && len(spaces) > 0 {
		// Nothing was ever written here, and zero is no version: the log's first op is one that changes nothing.
		if _, err := spaces[0].Apply(ctx, []Change{{Kind: record.Unlink, Ord: 1, To: 2}}); err != nil {
			return err
		}
	}
	return lowerVersions(file, max(1, st.applied.Load()))
}

// rebrand makes a base that of another space, complete up to applied at most.
func rebrand(file string, id record.SpaceID, applied uint64) error {
	b, err := openBase(file, 0)
	if err != nil {
		return err
	}
	err = b.update(func(tx *baseTx) error {
		meta, err := tx.in(bucketMeta)
		if err != nil {
			return err
		}
		sealed, err := meta.get(keyState)
		if err != nil {
			return err
		}
		plain, err := unseal("meta", keyState, sealed)
		if err != nil {
			return err
		}
		s, err := readState(plain)
		if err != nil {
			return err
		}
		s.space, s.applied = id, min(s.applied, applied)
		return meta.putSealed(keyState, s.append(nil))
	})
	return errors.Join(err, b.close())
}

// swap brings s into the catalog under its name and takes the one out that had it.
func (st *Store) swap(e entry, s *Space) (old *Space, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.catalog.clone()
	if _, alias := c.Aliases[e.Name]; alias {
		return nil, fmt.Errorf("%w: %s is an alias", ErrSpaceExists, e.Name)
	}
	if before := c.find(e.Name); before != nil {
		before.Deleted = true
		old = st.byID[before.ID]
	}
	c.Spaces = append(c.Spaces, e)
	// The log may have let go of more since the space began, which no checkpoint knew of.
	w := baseWriter{space: s, state: s.state}
	if err := w.commit(st.applied.Load(), nil); err != nil {
		return nil, room(err)
	}
	if err := st.replace(c); err != nil {
		return nil, err
	}
	if old != nil {
		delete(st.byID, old.id)
	}
	st.spaces[e.Name], st.byID[e.ID] = s, s
	return old, nil
}

// sweepOrphans removes directories of spaces that never got into the catalog.
func (st *Store) sweepOrphans() error {
	names, err := st.opts.FS.List("spaces")
	if err != nil {
		return fmt.Errorf("list spaces: %w", err)
	}
	known := map[string]bool{}
	for _, e := range st.catalog.Spaces {
		known[strconv.Itoa(int(e.ID))] = true
	}
	for _, name := range names {
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil || known[name] || record.SpaceID(id) >= st.catalog.NextID {
			continue // not ours to judge
		}
		if err := removeAll(st.opts.FS.Path(path.Join("spaces", name))); err != nil {
			return err
		}
	}
	return nil
}
