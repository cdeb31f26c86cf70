package node

import (
	"context"
	"fmt"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// perExport is how many memories are read at a time.
const perExport = 64

// Export calls memory with every memory of a space that passes f, in the order in which they were first remembered, and then edge with
// every edge between those: by source in that order, of one source the strongest first. Memories that are
// remembered meanwhile may be missing, but no edge leads to one that is. Redirects and what has expired are left out. A damaged value ends it
// with ErrCorrupt, unless skipDamaged is set. memory must not keep its argument.
func (n *Node) Export(ctx context.Context, space string, f Filter, skipDamaged bool, memory func(*Memory) error, edge func(Edge) error) error {
	defer n.reading()()
	s, err := n.store.Space(space)
	if err != nil {
		return err
	}
	keep, err := n.Keeping(space, f)
	if err != nil {
		return err
	}
	if err := damagedValues(s); err != nil && !skipDamaged {
		return err
	}
	var there ordSet
	for cursor := uint64(0); ; {
		some, next, err := n.List(ctx, space, cursor, perExport, keep)
		if err != nil {
			return err
		}
		if now, err := n.store.Space(space); err != nil || now != s {
			return fmt.Errorf("%w: %s was replaced while it was exported", ErrNoSpace, space)
		}
		for i := range some {
			if err := memory(&some[i]); err != nil {
				return err
			}
			if ord, _, ok := s.Lookup(some[i].ID); ok {
				there.add(ord)
			}
		}
		if cursor = next; next == 0 {
			break
		}
	}
	if err := damagedValues(s); err != nil && !skipDamaged {
		return err
	}
	return exportEdges(ctx, s, &there, edge)
}

// damagedValues returns ErrCorrupt if memories of s are known to be damaged: they are missing in what is read from it.
func damagedValues(s *store.Space) error {
	if err := s.Err(); err != nil {
		return err
	}
	faults := append(s.Faults(), viewsOf(s).vectors.Faults()...)
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d values of the space cannot be read: %w", ErrCorrupt, len(faults), faults[0])
}

func exportEdges(ctx context.Context, s *store.Space, there *ordSet, edge func(Edge) error) error {
	g := viewsOf(s).graph.Snapshot()
	for from := record.Ord(1); from < s.Limit(); from++ {
		if from%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !there.has(from) {
			continue
		}
		name := ""
		for _, e := range g.Edges(from) {
			if !there.has(e.To()) || !g.Alive(e.To()) {
				continue
			}
			if name == "" {
				if name, _ = s.RecordID(from); name == "" {
					break // deleted meanwhile
				}
			}
			to, ok := s.RecordID(e.To())
			if !ok {
				continue
			}
			if err := edge(Edge{From: name, To: to, Weight: e.Weight()}); err != nil {
				return err
			}
		}
	}
	return s.Err()
}

// An ordSet is a set of ordinals, a bit each.
type ordSet []uint64

func (s *ordSet) add(ord record.Ord) {
	for int(ord/64) >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[ord/64] |= 1 << (ord % 64)
}

func (s *ordSet) has(ord record.Ord) bool {
	return int(ord/64) < len(*s) && (*s)[ord/64]&(1<<(ord%64)) != 0
}
