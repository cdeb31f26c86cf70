package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/store"
)

// scrubPace is how many bytes a second the scrub in the background reads, so that nobody notices it.
const scrubPace = 16 << 20

// A Compacted is what a compaction did to the base of a space.
type Compacted struct {
	Space       string
	BeforeBytes int64
	AfterBytes  int64
}

// Compact gives the free pages of the base of a space back to the file system, or of all spaces if it is empty. What the log holds is
// brought into the bases first, so that its segments go, too. Everything else goes on meanwhile. ErrFull if there is no room for the
// new file beside the old one. It returns what was done also where something failed.
func (n *Node) Compact(ctx context.Context, space string) (out []Compacted, err error) {
	defer n.measure(metrics.Compaction)(&err)
	spaces, err := n.named(space)
	if err != nil {
		return nil, err
	}
	if err := n.store.Checkpoint(ctx); err != nil {
		return nil, fmt.Errorf("checkpoint before a compaction: %w", err)
	}
	var errs []error
	for _, s := range spaces {
		before, after, err := s.Compact(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("compact space %s: %w", s.Name(), err))
			continue
		}
		out = append(out, Compacted{s.Name(), before, after})
	}
	return out, errors.Join(errs...)
}

// TrimWAL lets go of the log's segments that are checkpointed and older than keep.
func (n *Node) TrimWAL(keep time.Duration) error { return n.store.TrimWAL(keep) }

// named returns the space of this name, or all that can be used if it is empty.
func (n *Node) named(space string) ([]*store.Space, error) {
	if space != "" {
		s, err := n.store.Space(space)
		if err != nil {
			return nil, err
		}
		return []*store.Space{s}, nil
	}
	var out []*store.Space
	for _, info := range n.store.Spaces() {
		if s, err := n.store.Space(info.Name); err == nil && info.Err == nil {
			out = append(out, s)
		}
	}
	return out, nil
}

// Scrub reads all that is stored of a space, or of all spaces if it is empty, and isolates what is damaged. It returns an error where the
// structure of a base is damaged, which refuses that space from then on.
func (n *Node) Scrub(ctx context.Context, space string) error { return n.scrub(ctx, space, 0) }

func (n *Node) scrub(ctx context.Context, space string, pace int64) error {
	spaces, err := n.named(space)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range spaces {
		if _, err := s.Scrub(ctx, pace); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("scrub space %s: %w", s.Name(), err))
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// runScrub scrubs everything, slowly, once a ScrubEvery.
func (n *Node) runScrub(ctx context.Context) error {
	tick := time.NewTicker(n.opts.ScrubEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := n.scrub(ctx, "", scrubPace); err != nil && ctx.Err() == nil {
			n.opts.Logger.Error("a scrub found damage", "error", err)
		}
	}
}
