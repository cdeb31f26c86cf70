package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/engramd/engramd/node/disk"
	"golang.org/x/sys/unix"
)

const (
	compactTxBytes = 4 << 20 // of a transaction of the new file
	minRoom        = 1 << 20
	compactRounds  = 4 // in which the new file catches up beside writers
)

// The steps of a compaction, in order, for tests that stop at each.
const (
	stepCopied  = "copied"
	stepCaught  = "caught up"
	stepSynced  = "synced"
	stepRenamed = "renamed"
	stepNamed   = "name synced"
	stepSwapped = "swapped"
)

// Compact writes the base into a new file without free pages, keys ascending, beside readers and writers, and puts it in place of
// the old one. Readers never wait for it; checkpoints and migrations do while the new file catches up with what they changed
// meanwhile. After a crash there is the old file or the new one, with the same content. It returns the bytes of the file
// before and after, and ErrFull if the new one would not find room beside the old one.
func (s *Space) Compact(ctx context.Context) (before, after int64, err error) {
	if err := s.Err(); err != nil {
		return 0, 0, err
	}
	if !s.compacting.TryLock() {
		return 0, 0, fmt.Errorf("%w: space %s is being compacted already", ErrBusy, s.Name())
	}
	defer s.compacting.Unlock()
	before, used, err := s.Size()
	if err != nil {
		return 0, 0, err
	}
	if err := s.roomToCompact(used); err != nil {
		return before, before, err
	}
	c := compaction{space: s, file: s.base.Load().path, path: s.base.Load().path + compactedBase, changed: map[string]map[string]struct{}{}}
	if err := c.run(ctx); err != nil {
		if !c.swapped {
			err = errors.Join(err, c.drop())
		}
		if outOfRoom(err) || disk.IsFull(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return before, before, s.failed(fmt.Errorf("compact space %s: %w", s.Name(), err))
	}
	if after, _, err = s.Size(); err == nil {
		s.store.opts.Logger.Info("space compacted", "space", s.Name(), "bytes_before", before, "bytes_after", after)
	}
	return before, after, err
}

// roomToCompact refuses a compaction for which there is no room.
func (s *Space) roomToCompact(used int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(s.Dir(), &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", s.Dir(), err)
	}
	need := used + used/8 + minRoom
	if free := int64(fs.Bavail) * fs.Bsize; free < need {
		return fmt.Errorf("%w: compacting space %s needs %d bytes beside the %d that are free", ErrFull, s.Name(), need, free)
	}
	return nil
}

// A compaction is one making of a new file.
type compaction struct {
	space   *Space
	file    string // the base
	path    string // the new file
	fresh   *base
	swapped bool

	mu      sync.Mutex
	changed map[string]map[string]struct{} // bucket and key, since the last round
}

func (c *compaction) note(bucket, key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := c.changed[string(bucket)]
	if keys == nil {
		keys = map[string]struct{}{}
		c.changed[string(bucket)] = keys
	}
	keys[string(key)] = struct{}{}
}

// take returns what changed, and how many keys that are.
func (c *compaction) take() (changed map[string]map[string]struct{}, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, c.changed = c.changed, map[string]map[string]struct{}{}
	for _, keys := range changed {
		n += len(keys)
	}
	return changed, n
}

func (c *compaction) run(ctx context.Context) (err error) {
	s := c.space
	if err := sweepBase(c.file); err != nil {
		return err
	}
	if c.fresh, err = bareBase(c.path, s.store.opts.MapBytes, true); err != nil {
		return err
	}
	from, err := c.begin()
	if err != nil {
		return err
	}
	defer func() {
		s.baseMu.Lock()
		s.base.Load().note = nil
		s.baseMu.Unlock()
	}()
	err = c.copyAll(ctx, from)
	from.release()
	if err == nil {
		err = c.step(stepCopied)
	}
	for range compactRounds {
		if err != nil {
			return err
		}
		var n int
		if n, err = c.round(ctx); n <= perTx {
			break
		}
	}
	if err == nil {
		err = c.fresh.guard(c.fresh.db.Sync) // most of it, while nobody waits
	}
	if err != nil {
		return err
	}
	return c.replace(ctx)
}

// begin takes a snapshot, and from its moment on what changes is noted.
func (c *compaction) begin() (*snapshot, error) {
	s := c.space
	s.baseMu.Lock()
	defer s.baseMu.Unlock()
	if err := s.Err(); err != nil {
		return nil, err
	}
	s.base.Load().note = c.note
	return s.snapshot()
}

// copyAll writes every entry of from into the new file.
func (c *compaction) copyAll(ctx context.Context, from *snapshot) error {
	w := freshWriter{ctx: ctx, base: c.fresh}
	err := w.begin()
	for _, name := range buckets {
		if err == nil {
			_, err = w.tx.CreateBucketIfNotExists(name)
		}
	}
	if err == nil {
		err = from.walk(from.base.file, func(bucket, key, value []byte) error { return w.put(bucket, key, value) })
	}
	return w.end(err)
}

// round brings what changed since the last round into the new file, beside writers.
func (c *compaction) round(ctx context.Context) (n int, err error) {
	s := c.space
	s.baseMu.Lock()
	changed, n := c.take()
	from, err := s.snapshot()
	s.baseMu.Unlock()
	if err != nil || n == 0 {
		if from != nil {
			from.release()
		}
		return n, err
	}
	defer from.release()
	return n, c.copyChanged(ctx, from, changed)
}

func (c *compaction) copyChanged(ctx context.Context, from *snapshot, changed map[string]map[string]struct{}) error {
	w := freshWriter{ctx: ctx, base: c.fresh}
	err := w.begin()
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		if err != nil {
			break
		}
		err = from.read(func() error {
			bucket, err := from.tree.Bucket([]byte(name))
			if err != nil {
				return err
			}
			for _, key := range slices.Sorted(maps.Keys(changed[name])) {
				value, err := from.tree.Get(bucket, []byte(key))
				if err == nil {
					err = w.put([]byte(name), []byte(key), value)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return w.end(err)
}

// replace ends the compaction: the last changes, then the new file in place of the old one.
func (c *compaction) replace(ctx context.Context) error {
	s := c.space
	s.baseMu.Lock()
	old, err := c.replaceLocked(ctx)
	s.baseMu.Unlock()
	if old != nil {
		if err := old.close(); err != nil { // it waits for its readers
			s.store.opts.Logger.Warn("the base that was replaced does not close", "space", s.Name(), "error", err)
		}
	}
	if err != nil {
		return err
	}
	return c.step(stepSwapped)
}

func (c *compaction) replaceLocked(ctx context.Context) (old *base, err error) {
	s := c.space
	if err := s.Err(); err != nil {
		return nil, err
	}
	if p := s.base.Load().stopped.Load(); p != nil {
		return nil, *p
	}
	changed, n := c.take()
	from, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	if n > 0 {
		err = c.copyChanged(ctx, from, changed)
	}
	from.release()
	if err == nil {
		err = c.step(stepCaught)
	}
	if err == nil {
		err = c.fresh.settle()
	}
	if err == nil {
		err = c.step(stepSynced)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Rename(c.path, c.file); err != nil {
		return nil, err
	}
	// From here on the old file has no name. Until the name of the new one is durable, nothing may be written that only it has.
	c.fresh.path, c.swapped = c.file, true
	old = s.base.Swap(c.fresh)
	if err := c.step(stepRenamed); err != nil {
		return old, err
	}
	if err := s.store.opts.FS.SyncDir(s.dir); err != nil {
		err = fmt.Errorf("%w: sync the name of %s: %w", ErrReadOnly, c.file, err)
		c.fresh.stopped.Store(&err)
		return old, err
	}
	return old, c.step(stepNamed)
}

// drop removes a new file that did not get in place.
func (c *compaction) drop() error {
	if c.fresh == nil {
		return nil
	}
	err := c.fresh.close()
	if e := os.Remove(c.path); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

func (c *compaction) step(name string) error {
	if hook := c.space.store.opts.atStep; hook != nil {
		return hook(name)
	}
	return nil
}
