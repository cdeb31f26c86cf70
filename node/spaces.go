package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/node/store"
)

// ErrReplaced: the space was replaced by a restore while the call was under way: try again. It is an ErrNoSpace, too.
var ErrReplaced = store.ErrReplaced

// ErrSpaceExists: the name is that of a space already, or of an alias.
var ErrSpaceExists = store.ErrSpaceExists

// A SpaceInfo tells about one space.
type SpaceInfo struct {
	ID        record.SpaceID
	Name      string
	Aliases   []string
	Dimension int // of its vectors; 0: that of the first one
	Memories  int
	CreatedAt time.Time
	Err       error // why it is refused, or nil
}

// spaces lets changes of the catalog go one after the other: what is looked up in the beginning is true in the end.
type spaces struct{ token chan struct{} }

func (s *spaces) turn(ctx context.Context) (func(), error) {
	select {
	case s.token <- struct{}{}:
		return func() { <-s.token }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// in runs fn in the space of this name, again if the space was replaced meanwhile.
func (n *Node) in(space string, fn func(*store.Space) error) error {
	for {
		s, err := n.store.Space(space)
		if err != nil {
			return err
		}
		if err := fn(s); !errors.Is(err, ErrReplaced) {
			return err
		}
	}
}

// changing waits for a turn to change the catalog, which maintenance mode refuses.
func (n *Node) changing(ctx context.Context) (func(), error) {
	written, err := n.writing()
	if err != nil {
		return nil, err
	}
	done, err := n.spaces.turn(ctx)
	if err != nil {
		written()
		return nil, err
	}
	return func() { done(); written() }, nil
}

// Spaces returns all spaces, by name.
func (n *Node) Spaces() []SpaceInfo {
	aliases := n.store.Aliases()
	var out []SpaceInfo
	for _, s := range n.store.Spaces() {
		i := SpaceInfo{ID: s.ID, Name: s.Name, Dimension: s.Dimension, Memories: s.Count, CreatedAt: s.CreatedAt, Err: s.Err}
		for alias, target := range aliases {
			if target == s.Name {
				i.Aliases = append(i.Aliases, alias)
			}
		}
		slices.Sort(i.Aliases)
		out = append(out, i)
	}
	return out
}

// SpaceInfo returns the space of this name or alias.
func (n *Node) SpaceInfo(name string) (SpaceInfo, error) { return n.spaceInfo(name) }

func (n *Node) spaceInfo(name string) (SpaceInfo, error) {
	s, err := n.store.Space(name)
	if err != nil {
		return SpaceInfo{}, err
	}
	for _, i := range n.Spaces() {
		if i.ID == s.ID() {
			return i, nil
		}
	}
	return SpaceInfo{}, fmt.Errorf("%w: %s", ErrNoSpace, name)
}

// CreateSpace makes a space whose vectors have dimension numbers; zero: as many as its first one. It is no error if there is one
// of this name and dimension.
func (n *Node) CreateSpace(ctx context.Context, name string, dimension int) (SpaceInfo, error) {
	done, err := n.changing(ctx)
	if err != nil {
		return SpaceInfo{}, err
	}
	defer done()
	if _, err := n.store.Create(name, dimension); err != nil {
		return SpaceInfo{}, err
	}
	return n.spaceInfo(name)
}

// DropSpace deletes a space with all its memories, and the aliases that lead to it; its snapshots stay. The default space is emptied: it is there again, new, with the
// dimension that the options give it. An alias is not dropped: AliasSpace removes it.
func (n *Node) DropSpace(ctx context.Context, name string) error {
	done, err := n.changing(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = n.store.Drop(ctx, name)
	if name != DefaultSpace {
		return err
	}
	if _, missing := n.store.Space(name); errors.Is(missing, ErrNoSpace) {
		_, again := n.store.Create(name, n.opts.Dimension)
		err = errors.Join(err, again)
	}
	return err
}

// AliasSpace makes name a second name of the space target, or of the one to which the alias target leads, in place of what it led to before. An empty
// target removes it. What was read or written by the alias before goes on in the space where it began.
func (n *Node) AliasSpace(ctx context.Context, name, target string) error {
	done, err := n.changing(ctx)
	if err != nil {
		return err
	}
	defer done()
	if s, err := n.store.Space(target); target != "" && err == nil {
		target = s.Name()
	}
	if _, there := n.store.Aliases()[name]; target == "" && !there {
		return fmt.Errorf("%w: no alias %s", ErrNoSpace, name)
	}
	return n.store.Alias(name, target)
}

// CopySpace makes a new space with the memories, edges and accesses that another one has at one moment, beside its readers and writers; whole or, after an error or a
// crash, not at all. Its vectors come along if dimension is theirs, or zero: the dimension of a space never changes, so a space of another
// one is a copy without vectors. Give the memories new ones, and let an alias lead to it (AliasSpace).
func (n *Node) CopySpace(ctx context.Context, from, to string, dimension int) (SpaceInfo, error) {
	if dimension < 0 || dimension > record.MaxDimension {
		return SpaceInfo{}, &record.InvalidError{Field: "dimension", Reason: fmt.Sprintf("%d is outside 0 to %d", dimension, record.MaxDimension)}
	}
	done, err := n.changing(ctx)
	if err != nil {
		return SpaceInfo{}, err
	}
	defer done()
	s, err := n.store.Space(from)
	if err != nil {
		return SpaceInfo{}, err
	}
	if _, err := n.store.Space(to); err == nil {
		return SpaceInfo{}, fmt.Errorf("%w: %s", ErrSpaceExists, to)
	}
	if dimension == 0 {
		dimension = s.Dimension()
	}
	c, err := n.store.Adopt(ctx, to, dimension, func(dir string) error { return copySpace(ctx, s, dir, dimension) })
	if c == nil {
		return SpaceInfo{}, fmt.Errorf("copy space %s: %w", from, err)
	}
	return n.spaceInfo(to)
}

// copySpace writes the files of s into dir, without vectors if they are of another dimension.
func copySpace(ctx context.Context, s *store.Space, dir string, dimension int) error {
	if _, err := s.Checkpoint(ctx); err != nil {
		return err
	}
	to, err := disk.NewOS(dir)
	if err != nil {
		return err
	}
	files, had, err := snapshot.Copy(ctx, s, to, ".")
	if err == nil && had != dimension && len(files) > 1 {
		err = errors.Join(os.Remove(filepath.Join(dir, files[1].Name)), store.DropVectors(filepath.Join(dir, files[0].Name)))
	}
	if err == nil {
		err = to.SyncDir(".")
	}
	if disk.IsFull(err) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	return errors.Join(err, to.Close())
}
