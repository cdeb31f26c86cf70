package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
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

// below is how much of the ratio that may be hot an eviction leaves: the next accesses do not need the next eviction.
const below = 0.9

// evict has the node evict what its settings do not allow where it is, and a little more.
func (c *client) evict(ctx context.Context) error {
	e, err := get[eviction](ctx, c, evictionPath)
	if err != nil {
		return err
	}
	return c.post(ctx, evictPath, evictRequest{HotMaxRatio: new(e.HotMaxRatio * below)})
}

// compact has every space give back what it does not need. One that is refused anyway is left alone.
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
		if err := c.post(ctx, compactPath+"?space="+url.QueryEscape(s.Name), nil); err != nil {
			errs = append(errs, fmt.Errorf("compact space %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// prune deletes the snapshots that the node's own settings do not keep, the guide's where it does not tell them.
func (c *client) prune(ctx context.Context) error {
	s, err := get[snapshotSettings](ctx, c, keepPath)
	switch {
	case errors.Is(err, errAbsentEndpoint):
		return c.post(ctx, snapshotsPath+"/prune", nil)
	case err != nil:
		return err
	}
	return c.post(ctx, snapshotsPath+"/prune", snapshotRequest{KeepLast: &s.KeepLast, KeepWeekly: &s.KeepWeekly})
}

// archive copies the snapshots to the node's own bucket.
func (c *client) archive(ctx context.Context) error {
	return c.post(ctx, snapshotsPath+"/archive", nil)
}
