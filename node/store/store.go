package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/wal"
)

// Options of a store. Zero values are defaults.
type Options struct {
	FS              *disk.OS
	Views           Views         // nil: none
	WAL             wal.Options   // Logger is set by the store, and FS if it is nil
	MemtableBytes   int64         // where writers wait; 256 MiB, or an eighth of MemoryLimit if that is less
	MemoryLimit     int64         // of the process; 0: unknown
	CheckpointBytes int64         // where a checkpoint begins; a quarter of MemtableBytes
	CheckpointEvery time.Duration // 30 s
	WALRetention    time.Duration // how long segments of the log are kept after their checkpoint; 0: not at all
	BusyWait        time.Duration // how long a writer waits at the bound; 5 s
	MapBytes        int           // bbolt's map of a base; 64 GiB where addresses allow
	Logger          *slog.Logger
	// Now is the clock for the catalog.
	Now func() time.Time

	atStep   func(step string) error // of a compaction; of tests
	atCommit func() error            // of a base; of tests
	// atCatalog, if not nil, is how a replacement of the catalog ends; of tests
	atCatalog func() error
}

func (o Options) withDefaults() Options {
	if o.MemtableBytes == 0 {
		o.MemtableBytes = 256 << 20
		if o.MemoryLimit > 0 {
			o.MemtableBytes = min(o.MemtableBytes, o.MemoryLimit/8)
		}
	}
	if o.CheckpointBytes == 0 {
		o.CheckpointBytes = o.MemtableBytes / 4
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = 30 * time.Second
	}
	if o.BusyWait == 0 {
		o.BusyWait = 5 * time.Second
	}
	if o.MapBytes == 0 {
		o.MapBytes = 64 << 20
		if math.MaxInt > math.MaxInt32 {
			o.MapBytes <<= 10
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Views == nil {
		o.Views = func(*Space, string) ([]View, error) { return nil, nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.WAL.FS == nil {
		o.WAL.FS = o.FS
	}
	o.WAL.Logger = o.Logger
	if o.WAL.Retry == 0 {
		o.WAL.Retry = time.Second // a checkpoint that failed is tried again as often
	}
	if o.WALRetention != 0 {
		o.WAL.Retention = o.WALRetention
	}
	o.Logger = o.Logger.With("component", "store")
	return o
}

// A Store is all spaces of a node and their log.
type Store struct {
	opts   Options
	log    *wal.Log
	report wal.Report
	writer writer

	mu      sync.RWMutex // catalog, spaces
	catalog catalog
	spaces  map[string]*Space // by name
	byID    map[record.SpaceID]*Space

	memory  atomic.Int64  // bytes of all memtables
	applied atomic.Uint64 // last LSN that is visible
	room    bell          // rings when a memtable was written
	wanted  chan struct{} // a checkpoint is wanted
	failure atomic.Pointer[error]
	broken  atomic.Pointer[error]
	closing sync.Once
	closed  error
}

// A bell wakes everybody who waits.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// Open reads everything and starts nothing. A damaged space does not hinder: see [Store.Spaces].
func Open(opts Options) (*Store, error) {
	st := &Store{
		opts: opts.withDefaults(), spaces: map[string]*Space{}, byID: map[record.SpaceID]*Space{},
		wanted: make(chan struct{}, 1),
	}
	st.writer = writer{store: st}
	if err := st.read(); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// settle makes durable what will be read, and sees to it that what is read is what the disk has.
func (st *Store) settle() error {
	fsys, dirs := st.opts.FS, []string{"spaces", "wal"}
	err := fsys.SyncDir(".")
	for _, dir := range dirs {
		err = errors.Join(err, fsys.SyncTree(dir))
	}
	if err != nil {
		return fmt.Errorf("sync what the last run left, or the disk loses it (the kernel's log says why it cannot): %w", err)
	}
	if err := fsys.DropStale(dirs...); err != nil {
		return fmt.Errorf("read again what a failed sync left: %w", err)
	}
	return nil
}

// breaks makes the store read-only.
func (st *Store) breaks(err error) {
	if st.broken.CompareAndSwap(nil, &err) {
		disk.NoteFailedSync(st.opts.FS)
	}
}

func (st *Store) read() error {
	if err := st.settle(); err != nil {
		disk.NoteFailedSync(st.opts.FS)
		return err // nothing may be built upon what is only in the kernel's cache
	}
	var err error
	if st.catalog, err = readCatalog(st.opts.FS); err != nil {
		return err
	}
	if err := st.sweepOrphans(); err != nil {
		return err
	}
	for _, e := range slices.Clone(st.catalog.Spaces) {
		if e.Deleted {
			if err := st.sweep(e.ID); err != nil {
				return err
			}
			continue
		}
		s, err := st.openSpace(e)
		st.byID[e.ID], st.spaces[e.Name] = s, s
		if err != nil {
			return err
		}
	}
	if err := st.replay(); err != nil {
		return err
	}
	for _, s := range st.open() {
		if err := s.loaded(); err != nil {
			return err
		}
	}
	return nil
}

// openSpace loads a space. One whose base is damaged is there and refuses everything.
func (st *Store) openSpace(e entry) (*Space, error) {
	s := &Space{
		store: st, id: e.ID, dir: spaceDir(e.ID), index: newIndex(), dead: map[record.Ord]bool{}, next: 1, ends: &ends{},
	}
	s.name.Store(&e.Name)
	s.active = newMemtable(1)
	if err := st.opts.FS.MakeDir(s.dir); err != nil {
		return s, fmt.Errorf("make the directory of space %s: %w", e.Name, err)
	}
	var err error
	if s.views, err = st.opts.Views(s, s.Dir()); err != nil {
		return s, fmt.Errorf("views of space %s: %w", e.Name, err)
	}
	path := s.Dir() + "/base.db"
	if err := sweepBase(path); err != nil {
		return s, fmt.Errorf("space %s: %w", e.Name, err)
	}
	err = s.load(path)
	if err == nil {
		var b *base
		b, err = openBase(path, st.opts.MapBytes)
		b.fault = st.opts.atCommit
		s.base.Store(b)
	}
	switch {
	case isDamage(err):
		s.refuse(err)
	case err != nil:
		return s, fmt.Errorf("space %s: %w", e.Name, err)
	}
	s.applied.Store(s.state.applied)
	s.last = s.state.applied
	s.active = s.emptied()
	return s, nil
}

// loaded ends the loading of a space: what is neither alive nor dead was freed. Unless an edge leads to it or from it: the
// memory is lost in damage, and whoever gets its ordinal must not inherit that. Then it is dead, until the graph has
// dropped the edge.
func (s *Space) loaded() error {
	if s.Err() != nil {
		return nil
	}
	s.free = s.free[:0] // what the replay freed may be taken again since
	for ord := record.Ord(1); ord < s.next; ord++ {
		switch {
		case s.index.version(ord) != 0 || s.dead[ord]:
		case s.ends.has(ord):
			s.dead[ord] = true
		default:
			s.free = append(s.free, ord)
		}
	}
	s.ends = nil
	for _, v := range s.views {
		if err := v.Loaded(); err != nil {
			return fmt.Errorf("space %s: %w", s.Name(), err)
		}
	}
	return nil
}

// Run writes and checkpoints until ctx ends; then it takes no more changes, writes what waits, and checkpoints once
// more.
func (st *Store) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { st.checkpoints(background) })
	err := st.log.Run(ctx)
	stop()
	wg.Wait()
	if st.log.Poisoned() == nil {
		err = errors.Join(err, st.Checkpoint(context.WithoutCancel(ctx)))
	}
	return err
}

// Close lets go of all files. Run must have returned, or never have been called.
func (st *Store) Close() error {
	st.closing.Do(func() {
		var errs []error
		if st.log != nil {
			errs = append(errs, st.log.Close())
		}
		for _, s := range st.open() {
			errs = append(errs, s.close())
		}
		st.closed = errors.Join(errs...)
	})
	return st.closed
}

func (s *Space) close() error {
	var err error
	for _, v := range s.views {
		err = errors.Join(err, v.Close())
	}
	if b := s.base.Load(); b != nil {
		err = errors.Join(err, b.close())
	}
	return err
}

// open returns all spaces, by id.
func (st *Store) open() []*Space {
	st.mu.RLock()
	defer st.mu.RUnlock()
	out := make([]*Space, 0, len(st.byID))
	for _, s := range st.byID {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Space) int { return int(a.id) - int(b.id) })
	return out
}

func spaceDir(id record.SpaceID) string { return fmt.Sprintf("spaces/%d", id) }

func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove a deleted space: %w", err)
	}
	return nil
}
