package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/store"
)

// reserve is what a copy leaves free: the log and the bases need room, too.
const reserve = 64 << 20

// Take makes a snapshot of a space beside its readers and writers. All that was acknowledged before the call is in it. It is of one moment: of a group
// that was written together all is there or none.
func (s *Shelf) Take(ctx context.Context, space *store.Space) (Info, error) {
	done, err := s.turn(ctx)
	if err != nil {
		return Info{}, err
	}
	defer done()
	if _, err := space.Checkpoint(ctx); err != nil {
		return Info{}, fmt.Errorf("snapshot of space %s: %w", space.Name(), asFull(err))
	}
	size, err := allocated(space)
	if err != nil {
		return Info{}, err
	}
	if err := s.room(s.opts.Dir, size); err != nil {
		return Info{}, fmt.Errorf("snapshot of space %s: %w", space.Name(), err)
	}
	name, err := s.name(space.Name())
	if err != nil {
		return Info{}, err
	}
	begin := time.Now()
	err = s.shelve(name, func(dir string) error { return s.take(ctx, space, name, dir) })
	if err != nil {
		return Info{}, fmt.Errorf("snapshot of space %s: %w", space.Name(), err)
	}
	i, err := s.info(name.String())
	if err == nil {
		s.log.Info("snapshot taken", "name", i.Name, "bytes", i.Bytes, "memories", i.Memories, "lsn", i.LSN, "seconds", time.Since(begin).Seconds())
	}
	return i, err
}

// turn waits until nobody else makes a snapshot.
func (s *Shelf) turn(ctx context.Context) (func(), error) {
	select {
	case s.taking <- struct{}{}:
		return func() { <-s.taking }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// allocated returns how much room the files of a space take.
func allocated(space *store.Space) (int64, error) {
	var sum int64
	for _, name := range []string{baseFile, vectorFile} {
		info, err := os.Stat(filepath.Join(space.Dir(), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += min(info.Size(), info.Sys().(*syscall.Stat_t).Blocks*512)
	}
	return sum, nil
}

// room refuses what clearly does not fit.
func (s *Shelf) room(dir string, need int64) error {
	free, err := s.opts.Free(dir)
	if err != nil {
		return err
	}
	if free < need+reserve {
		return fmt.Errorf("%w: %s needs %d MiB, and %d MiB beside, and has %d MiB; delete old snapshots or make room",
			store.ErrFull, dir, (need+1<<20-1)>>20, reserve>>20, free>>20)
	}
	return nil
}

// name returns one that is not taken.
func (s *Shelf) name(space string) (Name, error) {
	n := Name{At: s.opts.Now().UTC().Truncate(time.Second), Space: space, Nth: 1}
	for ; ; n.Nth++ {
		if _, err := ParseName(n.String()); err != nil {
			return n, err
		}
		if names, err := s.fs.List(n.String()); err != nil || len(names) == 0 {
			return n, err
		}
	}
}

// shelve lets fill make the files of a snapshot and brings it into the list, whole or not at all.
func (s *Shelf) shelve(name Name, fill func(dir string) error) error {
	dir := "." + name.String() + half
	if err := s.clear(dir); err != nil {
		return err
	}
	err := s.fs.MakeDir(dir)
	if err == nil {
		err = fill(dir)
	}
	if err == nil {
		err = s.fs.SyncDir(dir)
	}
	if err == nil {
		err = s.fs.Rename(dir, name.String())
	}
	if err != nil {
		return errors.Join(asFull(err), s.clear(dir))
	}
	return s.fs.SyncDir(".")
}

// asFull says store.ErrFull where the disk says it.
func asFull(err error) error {
	if disk.IsFull(err) && !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

// take fills dir.
func (s *Shelf) take(ctx context.Context, space *store.Space, name Name, dir string) error {
	m := Manifest{Name: name.String(), Space: name.Space, SpaceID: space.ID(), CreatedAt: s.opts.Now().UTC()}
	var err error
	if m.Files, m.Dimension, err = Copy(ctx, space, s.fs, dir); err != nil {
		return err
	}
	r, err := s.check(ctx, dir, m.Files)
	if err != nil {
		return err
	}
	m.LSN, m.Memories, m.Edges, m.Damaged = r.Applied, r.Memories, r.Edges, r.Damaged
	return s.writeManifest(dir, m)
}

// writeManifest writes the manifest of a snapshot that was just checked.
func (s *Shelf) writeManifest(dir string, m Manifest) error {
	b, err := m.seal()
	if err != nil {
		return err
	}
	if err := disk.WriteWhole(s.fs, path.Join(dir, manifestFile), b); err != nil {
		return err
	}
	return s.tell(dir, func(t *Told) { t.VerifiedAt = s.opts.Now().UTC() })
}
