package load

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node"
)

// memoriesDir is where the memories and edges of a size are, for all benches that read them.
func memoriesDir(dir string, memories int) string {
	return filepath.Join(dir, fmt.Sprintf("memories-%d", memories))
}

// hotBytes is the bound for hot copies in all benches.
const hotBytes = 64 << 20

// options of the node that has the memories of the job's size.
func (j *job) nodeOptions() node.Options {
	return node.Options{DataDir: memoriesDir(j.Dir, j.Memories), HotBytes: hotBytes}
}

func (j *job) generator(memories int) Generator {
	return Generator{Seed: j.Seed, Memories: memories, Degree: j.Degree, ContentBytes: j.ContentBytes}
}

// aged is a generator whose memories were last accessed within the last days, so that there are some in every tier.
func (j *job) aged() Generator {
	g := j.generator(j.Memories)
	g.Newest, g.Age = time.Now().UTC().Truncate(time.Hour), 8*24*time.Hour
	return g
}

// makeMemories fills a node with the memories and edges of the job's size, in the tiers where they belong.
func makeMemories(ctx context.Context, j *job) error {
	return with(ctx, j.nodeOptions(), func(r *running) error {
		if err := j.fill(ctx, r, j.aged()); err != nil {
			return err
		}
		if err := r.graph.Merge(ctx); err != nil {
			return err
		}
		if err := r.Store().Checkpoint(ctx); err != nil {
			return err
		}
		return settle(ctx, r)
	})
}

// fill remembers all memories of g, and then links them, by several writers in big groups.
func (j *job) fill(ctx context.Context, r *running, g Generator) error {
	const group = 2000
	err := inGroups(g.Memories, group, func(from, to int) error {
		ms := make([]node.Memory, 0, to-from)
		for i := from; i < to; i++ {
			ms = append(ms, g.Memory(i))
		}
		return retry(ctx, func() error { return rememberAll(ctx, r, ms) })
	})
	if err != nil {
		return err
	}
	return inGroups(g.Memories, max(1, 20_000/g.Degree), func(from, to int) error {
		edges := make([]node.Edge, 0, (to-from)*g.Degree)
		for i := from; i < to; i++ {
			edges = append(edges, g.Edges(i)...)
		}
		return retry(ctx, func() error {
			errs, err := r.Link(ctx, node.DefaultSpace, edges)
			return errors.Join(append(errs, err)...)
		})
	})
}

// inGroups calls f with pieces of 0 to n, two at a time.
func inGroups(n, group int, f func(from, to int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for w := range errs {
		wg.Go(func() {
			for errs[w] == nil {
				from := int(next.Add(int64(group))) - group
				if from >= n {
					return
				}
				errs[w] = f(from, min(n, from+group))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// retry does again what was refused because the checkpoint is behind, as a client would.
func retry(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !errors.Is(err, node.ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
}

// settle evicts what does not belong where it is, and waits until everything has moved.
func settle(ctx context.Context, r *running) error {
	r.Tiers().EvictNow()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for r.Tiers().Stats().Migrating {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("memories did not get to their tiers: %w", context.Cause(ctx))
		}
	}
	return nil
}
