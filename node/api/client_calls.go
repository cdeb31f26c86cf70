package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/node/tier"
	"github.com/go-json-experiment/json"
)

// Patch changes a memory as a JSON merge patch says, in any version, or only in ifVersion if that is not zero.
func (c *Client) Patch(ctx context.Context, space, id string, ifVersion uint64, p Patch) (Memory, error) {
	b, err := json.Marshal(p, faithfully)
	if err != nil {
		return Memory{}, err
	}
	h := http.Header{"Content-Type": {mediaMergePatch}}
	return fetch[Memory](ctx, c, http.MethodPatch, c.at("/memories/"+url.PathEscape(id), values("space", space)), b, onlyIf(h, ifVersion))
}

// Delete deletes a memory, in any version, or only in ifVersion if that is not zero.
func (c *Client) Delete(ctx context.Context, space, id string, ifVersion uint64) error {
	_, err := fetch[struct{}](ctx, c, http.MethodDelete, c.at("/memories/"+url.PathEscape(id), values("space", space)), nil, onlyIf(http.Header{}, ifVersion))
	return err
}

func onlyIf(h http.Header, version uint64) http.Header {
	if version != 0 {
		h["If-Match"] = []string{etag(version)}
	}
	return h
}

// query writes f into the URL.
func (f *Filter) query(q url.Values) url.Values {
	if q == nil {
		q = url.Values{}
	}
	for _, t := range f.Tags {
		q.Add("tags", t)
	}
	for _, t := range f.Tiers {
		q.Add("tiers", t.String())
	}
	for name, at := range map[string]time.Time{"created_after": f.CreatedAfter, "created_before": f.CreatedBefore} {
		if !at.IsZero() {
			q.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	if f.Type != "" {
		q.Set("type", f.Type)
	}
	if f.MinConfidence != 0 {
		q.Set("min_confidence", strconv.FormatFloat(float64(f.MinConfidence), 'g', -1, 32))
	}
	return q
}

// List returns a page of memories; cursor is "" or the NextCursor of the page before, vectors none, array, base64, or "" for none.
func (c *Client) List(ctx context.Context, space string, f Filter, cursor string, limit int, vectors string) (MemoryList, error) {
	q := f.query(values("space", space, "cursor", cursor, "vectors", vectors, "limit", count(limit)))
	return call[MemoryList](ctx, c, http.MethodGet, "/memories", q, nil)
}

// Batch returns several memories.
func (c *Client) Batch(ctx context.Context, in BatchGet) (Batch, error) {
	return call[Batch](ctx, c, http.MethodPost, "/memories", nil, in)
}

// DeleteWhere deletes up to limit (0: 10,000) memories that pass a filter; an empty one only if all is set.
func (c *Client) DeleteWhere(ctx context.Context, space string, f Filter, limit int, all bool) (Deleted, error) {
	q := f.query(values("space", space, "limit", count(limit)))
	if all {
		q.Set("all", "true")
	}
	return call[Deleted](ctx, c, http.MethodDelete, "/memories", q, nil)
}

// Link sets the weights of edges, durable together.
func (c *Client) Link(ctx context.Context, space string, edges ...Edge) (Linked, error) {
	return call[Linked](ctx, c, http.MethodPost, "/links", values("space", space), edgeList{edges})
}

// Unlink removes edges.
func (c *Client) Unlink(ctx context.Context, space string, edges ...Edge) (Linked, error) {
	return call[Linked](ctx, c, http.MethodDelete, "/links", values("space", space), edgeList{edges})
}

type edgeList struct {
	Edges []Edge `json:"edges"`
}

// Links returns the edges of a memory.
func (c *Client) Links(ctx context.Context, space, id string) (Neighbours, error) {
	return call[Neighbours](ctx, c, http.MethodGet, "/links", values("space", space, "id", id), nil)
}

// Spread lets activation spread.
func (c *Client) Spread(ctx context.Context, in SpreadRequest) (Spreading, error) {
	return call[Spreading](ctx, c, http.MethodPost, "/spread", nil, in)
}

// Recall recalls.
func (c *Client) Recall(ctx context.Context, in RecallRequest) (Recollection, error) {
	return call[Recollection](ctx, c, http.MethodPost, "/memories/recall", nil, in)
}

// Spaces lists the spaces.
func (c *Client) Spaces(ctx context.Context) (Spaces, error) {
	return call[Spaces](ctx, c, http.MethodGet, "/spaces", nil, nil)
}

// CreateSpace makes a space.
func (c *Client) CreateSpace(ctx context.Context, in NewSpace) (Space, error) {
	return call[Space](ctx, c, http.MethodPost, "/spaces", nil, in)
}

// DropSpace deletes a space.
func (c *Client) DropSpace(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/spaces/"+url.PathEscape(name), nil, nil)
	return err
}

// Alias makes name lead to a space; an empty one removes the alias.
func (c *Client) Alias(ctx context.Context, name, space string) error {
	_, err := call[struct{}](ctx, c, http.MethodPut, "/spaces/"+url.PathEscape(name)+"/alias", nil, AliasRequest{space})
	return err
}

// Maintenance tells whether the node is in maintenance mode.
func (c *Client) Maintenance(ctx context.Context) (Maintenance, error) {
	return call[Maintenance](ctx, c, http.MethodGet, "/admin/maintenance", nil, nil)
}

// EnableMaintenance switches maintenance mode on for an owner.
func (c *Client) EnableMaintenance(ctx context.Context, in MaintenanceRequest) (Maintenance, error) {
	return call[Maintenance](ctx, c, http.MethodPost, "/admin/maintenance/enable", nil, in)
}

// DisableMaintenance ends an owner's maintenance.
func (c *Client) DisableMaintenance(ctx context.Context, in MaintenanceRequest) (Maintenance, error) {
	return call[Maintenance](ctx, c, http.MethodPost, "/admin/maintenance/disable", nil, in)
}

// Storage tells what the node, or one space, has stored.
func (c *Client) Storage(ctx context.Context, space string) (Storage, error) {
	return call[Storage](ctx, c, http.MethodGet, "/admin/storage/stats", values("space", space), nil)
}

// Eviction returns the eviction settings.
func (c *Client) Eviction(ctx context.Context) (Eviction, error) {
	return call[Eviction](ctx, c, http.MethodGet, "/admin/storage/eviction", nil, nil)
}

// ChangeEviction changes eviction settings.
func (c *Client) ChangeEviction(ctx context.Context, in EvictionChange) (Eviction, error) {
	return call[Eviction](ctx, c, http.MethodPost, "/admin/storage/eviction", nil, in)
}

// EvictNow evicts what the settings do not allow where it is.
func (c *Client) EvictNow(ctx context.Context) (Evicted, error) {
	return call[Evicted](ctx, c, http.MethodPost, "/admin/storage/evict-now", nil, nil)
}

// Evict evicts single memories.
func (c *Client) Evict(ctx context.Context, space string, ids []string, to tier.Tier) (Evicted, error) {
	return call[Evicted](ctx, c, http.MethodPost, "/admin/storage/evict-now", nil, EvictRequest{Space: space, IDs: ids, To: to})
}

const snapshotsBelow = "/admin/storage/snapshots"

// Snapshots lists the snapshots of a space, or with "" of all; if bucket is not empty, those that it has.
func (c *Client) Snapshots(ctx context.Context, space, bucket string) (Snapshots, error) {
	return call[Snapshots](ctx, c, http.MethodGet, snapshotsBelow, values("space", space, "bucket", bucket), nil)
}

// Snapshot takes a snapshot of a space.
func (c *Client) Snapshot(ctx context.Context, space string) (snapshot.Info, error) {
	return call[snapshot.Info](ctx, c, http.MethodPost, snapshotsBelow, values("space", space), nil)
}

// DeleteSnapshot deletes a snapshot.
func (c *Client) DeleteSnapshot(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, snapshotsBelow+"/"+url.PathEscape(name), nil, nil)
	return err
}

// PruneSnapshots deletes all snapshots but the last ones and the weekly ones (negative: as many as usual), and returns what went.
func (c *Client) PruneSnapshots(ctx context.Context, keepLast, keepWeekly int) (Snapshots, error) {
	in := SnapshotRequest{}
	if keepLast >= 0 {
		in.KeepLast = &keepLast
	}
	if keepWeekly >= 0 {
		in.KeepWeekly = &keepWeekly
	}
	return call[Snapshots](ctx, c, http.MethodPost, snapshotsBelow+"/prune", nil, in)
}

// VerifySnapshot reads all of a snapshot and compares.
func (c *Client) VerifySnapshot(ctx context.Context, name string) (snapshot.Info, error) {
	return call[snapshot.Info](ctx, c, http.MethodPost, snapshotsBelow+"/verify", nil, SnapshotRequest{Name: name})
}

// RestoreSnapshot puts a snapshot in place of a space; "" is the one from which it was taken.
func (c *Client) RestoreSnapshot(ctx context.Context, name, space string) (Space, error) {
	return call[Space](ctx, c, http.MethodPost, snapshotsBelow+"/restore", nil, SnapshotRequest{Name: name, Space: space})
}

// ArchiveSnapshots copies snapshots to a bucket; "" is the configured one.
func (c *Client) ArchiveSnapshots(ctx context.Context, bucket string) (Snapshots, error) {
	return call[Snapshots](ctx, c, http.MethodPost, snapshotsBelow+"/archive", nil, SnapshotRequest{Bucket: bucket})
}

// FetchSnapshot copies a snapshot from a bucket to the node.
func (c *Client) FetchSnapshot(ctx context.Context, bucket, name string) (snapshot.Info, error) {
	return call[snapshot.Info](ctx, c, http.MethodPost, snapshotsBelow+"/fetch", nil, SnapshotRequest{Bucket: bucket, Name: name})
}

// An ImportOptions says how to import.
type ImportOptions struct {
	From   int  // the number of the first line; 0 is 1
	Strict bool // the first bad line ends the import
	Failed bool // only bad lines are told, and how far it went
}

// Import sends lines, and calls each, if it is not nil, with every result while they come. It returns the last one: its Through says with which
// line to go on after an error.
func (c *Client) Import(ctx context.Context, space string, lines io.Reader, o ImportOptions, each func(ImportResult) error) (ImportResult, error) {
	q := values("space", space, "from", count(o.From))
	if q == nil {
		q = url.Values{}
	}
	if o.Strict {
		q.Set("strict", "true")
	}
	if o.Failed {
		q.Set("results", "failed")
	}
	last := ImportResult{Through: max(o.From, 1) - 1}
	resp, err := c.do(ctx, http.MethodPost, c.at("/memories/import", q), lines, true, http.Header{"Content-Type": {mediaLines}})
	if err != nil {
		return last, err
	}
	defer resp.Body.Close()
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(make([]byte, 64<<10), maxMemoryBody)
	for scan.Scan() {
		r := ImportResult{}
		if err := json.Unmarshal(scan.Bytes(), &r); err != nil {
			return last, fmt.Errorf("answer of the node at %s to an import: %w", c.base, err)
		}
		if each != nil {
			if err := each(r); err != nil {
				return last, err
			}
		}
		switch {
		case r.Done:
			return r, nil
		case r.ImportCounts != nil:
			return r, r.Problem
		}
		last.Through = max(last.Through, r.Through, r.Line)
	}
	if err := scan.Err(); err != nil {
		return last, fmt.Errorf("the import was cut off behind line %d: %w", last.Through, err)
	}
	return last, fmt.Errorf("the import was cut off behind line %d: %w", last.Through, io.ErrUnexpectedEOF)
}

// Export writes memories that pass a filter, and the edges between them, as lines that Import takes.
func (c *Client) Export(ctx context.Context, space string, f Filter, skipDamaged bool, w io.Writer) (int64, error) {
	q := f.query(values("space", space))
	if skipDamaged {
		q.Set("skip_damaged", "true")
	}
	resp, err := c.do(ctx, http.MethodGet, c.at("/memories/export", q), nil, false, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("the export was cut off: %w", err)
	}
	return n, nil
}

// Metrics returns /metrics as the node writes it for that Accept header; "" is JSON.
func (c *Client) Metrics(ctx context.Context, accept string) ([]byte, error) {
	h := http.Header{}
	if accept != "" {
		h.Set("Accept", accept)
	}
	resp, err := c.do(ctx, http.MethodGet, c.base+"/metrics", nil, false, h)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readReply(resp)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Compact gives back what the files of a space do not need.
func (c *Client) Compact(ctx context.Context, space string) (Compacted, error) {
	return call[Compacted](ctx, c, http.MethodPost, "/admin/storage/compact", values("space", space), nil)
}

// Consolidation tells what consolidation did.
func (c *Client) Consolidation(ctx context.Context) (Consolidation, error) {
	return call[Consolidation](ctx, c, http.MethodGet, "/admin/consolidation", nil, nil)
}

// Consolidate does a round of consolidation of a space.
func (c *Client) Consolidate(ctx context.Context, space string) (ConsolidationReport, error) {
	return call[ConsolidationReport](ctx, c, http.MethodPost, "/admin/consolidation", values("space", space), nil)
}

// Threading tells how many workers there are, and on which cores.
func (c *Client) Threading(ctx context.Context) (threads.Stats, error) {
	return call[threads.Stats](ctx, c, http.MethodGet, "/admin/threading", nil, nil)
}

// ChangeThreading changes workers and cores.
func (c *Client) ChangeThreading(ctx context.Context, in ThreadingChange) (threads.Stats, error) {
	return call[threads.Stats](ctx, c, http.MethodPost, "/admin/threading", nil, in)
}
