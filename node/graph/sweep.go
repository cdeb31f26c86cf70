package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// perGroup is how many changes a sweep hands to the store at once.
const perGroup = 1000

// Sweep takes the dead ends of deleted memories away and gives their ordinals back. It returns how many. Cut in
// between, or refused by the store, it is done again from where it was.
func (g *Graph) Sweep(ctx context.Context) (freed int, err error) {
	g.merging.Lock()
	defer g.merging.Unlock()
	s := g.Snapshot()
	var dead []record.Ord
	for number, c := range s.chunks {
		if c.dead == nil {
			continue
		}
		for local := range uint32(chunkSize) {
			if c.dead.has(local) {
				dead = append(dead, join(number, local))
			}
		}
		for len(dead) >= perGroup {
			if err := g.settle(ctx, dead[:perGroup]); err != nil {
				return freed, err
			}
			freed, dead = freed+perGroup, dead[perGroup:]
		}
	}
	if err := g.settle(ctx, dead); err != nil {
		return freed, err
	}
	return freed + len(dead), nil
}

// settle unlinks and then frees. The frees are handed in after the unlinks are durable: an ordinal that was freed
// is free of edges on the disk, too.
func (g *Graph) settle(ctx context.Context, dead []record.Ord) error {
	if len(dead) == 0 {
		return nil
	}
	s := g.Snapshot()
	var changes []store.Change
	for _, ord := range dead {
		for from := range s.incoming(ord) {
			changes = append(changes, store.Change{Kind: record.Unlink, Ord: from, To: ord})
			if len(changes) == perGroup {
				if err := g.apply(ctx, changes); err != nil {
					return err
				}
				changes = nil
			}
		}
	}
	if err := g.apply(ctx, changes); err != nil {
		return err
	}
	frees := make([]store.Change, len(dead))
	for i, ord := range dead {
		frees[i] = store.Change{Kind: record.Free, Ord: ord}
	}
	return g.free(ctx, frees)
}

func (g *Graph) apply(ctx context.Context, changes []store.Change) error {
	if len(changes) == 0 {
		return nil
	}
	results, err := g.space.Apply(ctx, changes)
	if err != nil {
		return fmt.Errorf("unlink dead ends: %w", err)
	}
	for _, r := range results {
		if r.Err != nil {
			return fmt.Errorf("unlink a dead end: %w", r.Err)
		}
	}
	return nil
}

// free hands in frees. One that the store does not know as dead is free already.
func (g *Graph) free(ctx context.Context, frees []store.Change) error {
	ords := make([]record.Ord, len(frees))
	for i := range frees {
		ords[i] = frees[i].Ord
	}
	results, err := g.space.Apply(ctx, frees)
	if err != nil {
		return fmt.Errorf("free ordinals: %w", err)
	}
	var unknown []record.Ord
	for i, r := range results {
		switch {
		case errors.Is(r.Err, store.ErrNotFound):
			unknown = append(unknown, ords[i])
		case r.Err != nil:
			return fmt.Errorf("free an ordinal: %w", r.Err)
		}
	}
	g.forget(unknown)
	return nil
}

// forget stops asking for ordinals to be freed.
func (g *Graph) forget(ords []record.Ord) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.begin()
	for _, ord := range ords {
		b.free(ord)
	}
	g.publish(b)
}
