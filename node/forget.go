package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// perForget is how many deletions are made durable together.
const perForget = 500

// DeleteWhere deletes up to limit memories that pass f, and returns how many it deleted and whether there are more. Memories
// are deleted in groups: what was deleted before an error stays deleted, and is counted. One that changes meanwhile is deleted only if it
// passes as it is then. An empty filter is refused: it would mean everything.
func (n *Node) DeleteWhere(ctx context.Context, space string, f Filter, limit int) (deleted int, more bool, err error) {
	if err := f.Validate(); err != nil {
		return 0, false, err
	}
	if f.Empty() || limit <= 0 {
		return 0, false, fmt.Errorf("%w: a filter that means all memories, or a limit of %d; to delete all, drop the space", ErrInvalid, limit)
	}
	done, err := n.writing()
	if err != nil {
		return 0, false, err
	}
	defer done()
	err = n.in(space, func(s *store.Space) (err error) {
		deleted, more, err = n.deleteWhere(ctx, s, &f, limit)
		return err
	})
	return deleted, more, err
}

func (n *Node) deleteWhere(ctx context.Context, s *store.Space, f *Filter, limit int) (deleted int, more bool, err error) {
	after := record.Ord(0)
	for deleted < limit {
		found, last, err := n.matching(ctx, s, f, after, min(perForget, limit-deleted))
		if err != nil || len(found) == 0 {
			return deleted, err != nil, err
		}
		k, err := forget(ctx, s, found)
		deleted += k
		if err != nil {
			return deleted, true, err
		}
		if k == len(found) {
			after = last
		} // else some changed: they are looked at again
	}
	found, _, err := n.matching(ctx, s, f, after, 1)
	return deleted, err != nil || len(found) > 0, err
}

// matching returns deletions of the first memories behind after that pass f, and the last ordinal of them.
func (n *Node) matching(ctx context.Context, s *store.Space, f *Filter, after record.Ord, limit int) (found []store.Change, last record.Ord, err error) {
	v := viewsOf(s)
	err = s.Scan(ctx, after, func(ord record.Ord, value record.Value, damage error) (bool, error) {
		if damage != nil {
			return true, nil // nobody knows what it is
		}
		var m Memory
		t, _ := v.tiers.Tier(ord)
		if err := v.tiers.Decode(ord, value, &m); err != nil {
			if errors.Is(err, ErrCorrupt) {
				return true, nil
			}
			return false, err
		}
		if m.Redirect != "" || n.expired(&m) != nil || !f.matches(&m, t) {
			return true, nil
		}
		found, last = append(found, store.Change{Kind: record.Delete, ID: m.ID, IfVersion: m.Version}), ord
		return len(found) < limit, nil
	})
	return found, last, err
}

// forget deletes, and returns how many were deleted: not those that changed meanwhile.
func forget(ctx context.Context, s *store.Space, deletions []store.Change) (deleted int, err error) {
	results, err := s.Apply(ctx, deletions)
	if err != nil {
		return 0, err
	}
	for _, r := range results {
		switch {
		case r.Err == nil:
			deleted++
		case !raced(r.Err):
			return deleted, r.Err
		}
	}
	return deleted, nil
}
