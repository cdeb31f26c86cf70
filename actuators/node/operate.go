package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// The kinds of steps: settings first, which have an undo, then operations, which have none.
const (
	kindThreading = "threading"
	kindEviction  = "eviction"
	kindMemory    = "memory"
	kindWAL       = "wal"

	kindEvict   = "evict"
	kindCompact = "compact"
	kindPrune   = "prune"
	kindArchive = "archive"
)

const (
	threadingPath = adminPath + "/threading"
	memoryPath    = adminPath + "/memory"
	evictionPath  = adminPath + "/storage/eviction"
	evictPath     = adminPath + "/storage/evict-now"
	walPath       = adminPath + "/storage/wal"
	compactPath   = adminPath + "/storage/compact"
	snapshotsPath = adminPath + "/storage/snapshots"
	keepPath      = snapshotsPath + "/settings"
	spacesPath    = "/api/v1/spaces"
	healthPath    = "/health"
)

// set puts values in force.
func (c *client) set(ctx context.Context, kind string, args json.RawMessage) error {
	change, path := any(nil), ""
	switch kind {
	case kindThreading:
		change, path = &threadingChange{}, threadingPath
	case kindEviction:
		change, path = &evictionChange{}, evictionPath
	case kindMemory:
		change, path = &memory{}, memoryPath
	case kindWAL:
		change, path = &wal{}, walPath
	default:
		return unknownKind(kind)
	}
	if err := decode(args, change); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	return c.post(ctx, path, change)
}

// compact has every space give back what it does not need. One that is damaged is left alone, and one that went meanwhile needs nothing.
func (c *client) compact(ctx context.Context) error {
	all, err := get[spaces](ctx, c, spacesPath)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range all.Spaces {
		if s.Error != "" {
			continue
		}
		if err := c.post(ctx, compactPath+"?space="+url.QueryEscape(s.Name), nil); err != nil && !errors.Is(err, errNoSpace) {
			errs = append(errs, fmt.Errorf("compact space %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// evictWithin bounds a sweep: what becomes cold does so after the answer. Other operations take as long as the data is large.
const evictWithin = 2 * time.Minute

// evict sweeps the tiers at once.
func (c *client) evict(ctx context.Context, args json.RawMessage) error {
	ctx, cancel := context.WithTimeout(ctx, evictWithin)
	defer cancel()
	return c.operate(ctx, evictPath, args, &evictRequest{})
}

// operate has the node do something.
func (c *client) operate(ctx context.Context, path string, args json.RawMessage, in any) error {
	if err := decode(args, in); err != nil {
		return err
	}
	return c.post(ctx, path, in)
}
