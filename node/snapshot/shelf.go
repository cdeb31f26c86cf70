package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/node/disk"
	"golang.org/x/sys/unix"
)

// Options of a shelf. Dir is needed.
type Options struct {
	Dir    string
	FS     disk.FS // what writes to Dir; nil: the real one
	Logger *slog.Logger
	Now    func() time.Time
	// Free returns how many bytes may still be written to the file system of dir; nil: what statfs says.
	Free func(dir string) (int64, error)
}

// A Shelf is the directory of the snapshots.
type Shelf struct {
	opts   Options
	fs     disk.FS
	own    *disk.OS // opened by Open
	log    *slog.Logger
	taking chan struct{} // holds one token while a snapshot is made or fetched

	mu      sync.Mutex
	uses    map[string]int // who reads a snapshot
	telling sync.Mutex
}

const (
	half = ".half"
	gone = ".gone"
)

// Open opens the directory, which is made if need be, and sweeps what is half of a snapshot.
func Open(opts Options) (*Shelf, error) {
	s := &Shelf{opts: opts, fs: opts.FS, log: opts.Logger, taking: make(chan struct{}, 1), uses: map[string]int{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = s.log.With("component", "snapshot")
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	if s.opts.Free == nil {
		s.opts.Free = free
	}
	if s.fs == nil {
		var err error
		if s.own, err = disk.NewOS(opts.Dir); err != nil {
			return nil, fmt.Errorf("snapshots: %w", err)
		}
		s.fs = s.own
	}
	if err := s.sweep(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close lets go of the directory.
func (s *Shelf) Close() error {
	if s.own == nil {
		return nil
	}
	return s.own.Close()
}

// free returns what statfs says.
func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// sweep removes what is half of a snapshot.
func (s *Shelf) sweep() error {
	names, err := s.fs.List(".")
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	for _, n := range names {
		name, ok := strings.CutPrefix(n, ".")
		in, isHalf := strings.CutSuffix(name, half)
		out, isGone := strings.CutSuffix(name, gone)
		if !ok || !isHalf && !isGone {
			continue
		}
		if isGone {
			in = out
		}
		if _, err := ParseName(in); err != nil {
			continue // not ours to judge
		}
		if err := s.clear(n); err != nil {
			return err
		}
		s.log.Info("swept half of a snapshot", "name", in)
	}
	return nil
}

// clear removes a directory that is not listed.
func (s *Shelf) clear(name string) error {
	if err := os.RemoveAll(s.path(name)); err != nil {
		return fmt.Errorf("remove half of a snapshot: %w", err)
	}
	return nil
}

func (s *Shelf) path(name string) string { return filepath.Join(s.opts.Dir, name) }

// List returns the snapshots of a space, or of all if it is empty, the newest first. One that cannot be read is listed with its damage.
func (s *Shelf) List(space string) ([]Info, error) {
	names, err := s.fs.List(".")
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var out []Info
	for _, name := range names {
		n, err := ParseName(name)
		if err != nil || space != "" && n.Space != space {
			continue
		}
		i, err := s.info(name)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			i.Name, i.Space, i.CreatedAt, i.Damage = name, n.Space, n.At, err.Error()
		}
		out = append(out, i)
	}
	sortNewest(out)
	return out, nil
}

func sortNewest(infos []Info) {
	slices.SortStableFunc(infos, func(a, b Info) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.LSN, a.LSN), cmp.Compare(b.Name, a.Name))
	})
}

// Get returns what is known of one snapshot.
func (s *Shelf) Get(name string) (Info, error) {
	if _, err := ParseName(name); err != nil {
		return Info{}, err
	}
	return s.info(name)
}

// use keeps a snapshot from being deleted until the returned func is called.
func (s *Shelf) use(name string) (Info, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.Get(name)
	if err != nil {
		return i, nil, err
	}
	s.uses[name]++
	return i, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.uses[name]--; s.uses[name] == 0 {
			delete(s.uses, name)
		}
	}, nil
}

// Delete removes a snapshot.
func (s *Shelf) Delete(name string) error {
	if err := s.hide(name); err != nil {
		return err
	}
	return s.clear("." + name + gone)
}

// hide takes a snapshot out of the list, durably.
func (s *Shelf) hide(name string) error {
	if _, err := ParseName(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.info(name); errors.Is(err, ErrNotFound) {
		return err
	}
	if s.uses[name] > 0 {
		return fmt.Errorf("%w: %s is being read; try again later", ErrInUse, name)
	}
	if err := s.clear("." + name + gone); err != nil {
		return err
	}
	if err := s.fs.Rename(name, "."+name+gone); err != nil {
		return fmt.Errorf("delete snapshot %s: %w", name, err)
	}
	return s.fs.SyncDir(".")
}
