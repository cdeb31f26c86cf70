package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/snapshot"
)

// What a call about snapshots can fail with.
var (
	ErrNoSnapshot      = snapshot.ErrNotFound // no such snapshot
	ErrSnapshotInUse   = snapshot.ErrInUse    // somebody reads it: try again later
	ErrSnapshotDamaged = snapshot.ErrDamaged  // it cannot be restored
	ErrSnapshotTaken   = snapshot.ErrTaken    // the bucket has another one of this name
)

// SnapshotOptions say which snapshots are taken without being asked for.
type SnapshotOptions struct {
	// Schedule is minute hour day month weekday, as cron has them; none if empty.
	Schedule string
	// Location is where the schedule's clock is; nil is UTC.
	Location *time.Location
	// KeepLast and KeepWeekly are how many are kept when a scheduled one was taken: 5 and 4 if zero; a negative KeepWeekly keeps none for being
	// the last of its week.
	KeepLast, KeepWeekly int
	// Archive is the URL of a bucket to which all are copied: file:///dir?prefix=node1/ or s3://name?region=R; none if empty.
	Archive string
}

func (o SnapshotOptions) withDefaults() SnapshotOptions {
	if o.KeepLast == 0 {
		o.KeepLast = snapshot.DefaultKeepLast
	}
	if o.KeepWeekly == 0 {
		o.KeepWeekly = snapshot.DefaultKeepWeekly
	}
	o.KeepWeekly = max(0, o.KeepWeekly)
	return o
}

func (o SnapshotOptions) validate() error {
	d := o.withDefaults()
	errs := []error{snapshot.CheckKeep(d.KeepLast, d.KeepWeekly)}
	if o.Schedule != "" {
		_, err := snapshot.ParseSchedule(o.Schedule, o.Location)
		errs = append(errs, err)
	}
	if o.Archive != "" {
		errs = append(errs, snapshot.CheckBucketURL(o.Archive))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	return nil
}

// snapshots is what the node has of them, beside the files.
type snapshots struct {
	shelf *snapshot.Shelf

	mu      sync.Mutex
	keep    SnapshotKeep
	failure error // of the last scheduled or asked one that failed; nil after one that did not
	failed  time.Time
}

func (n *Node) openSnapshots() (err error) {
	o := n.opts.Snapshots
	n.snapshots.keep = SnapshotKeep{Last: o.KeepLast, Weekly: o.KeepWeekly, Archive: o.Archive}
	n.snapshots.shelf, err = snapshot.Open(snapshot.Options{
		Dir: filepath.Join(n.opts.DataDir, "snapshots"), Logger: n.opts.Logger, Now: n.opts.Now,
	})
	return err
}

func (s *snapshots) close() error {
	if s.shelf == nil {
		return nil
	}
	return s.shelf.Close()
}

// note remembers how a snapshot ended.
func (s *snapshots) note(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure = err; err != nil {
		s.failed = now
	}
}

// Snapshot makes a consistent copy of a space beside readers and writers. Everything that was acknowledged before the call is in it.
func (n *Node) Snapshot(ctx context.Context, space string) (i snapshot.Info, err error) {
	defer n.measure(metrics.Snapshot)(&err)
	s, err := n.store.Space(space)
	if err != nil {
		return snapshot.Info{}, err
	}
	i, err = n.snapshots.shelf.Take(ctx, s)
	if ctx.Err() == nil {
		n.snapshots.note(n.opts.Now(), err)
	}
	return i, err
}

// Snapshots returns those of a space, or of all spaces, dropped ones too, if it is empty, the newest first. One that cannot be read is listed with its damage.
func (n *Node) Snapshots(space string) ([]snapshot.Info, error) {
	if s, err := n.store.Space(space); err == nil {
		space = s.Name()
	}
	return n.snapshots.shelf.List(space)
}

// VerifySnapshot reads all of a snapshot and compares it with what was written.
func (n *Node) VerifySnapshot(ctx context.Context, name string) (snapshot.Info, error) {
	return n.snapshots.shelf.Verify(ctx, name)
}

// DeleteSnapshot removes a snapshot, here and not in archives.
func (n *Node) DeleteSnapshot(name string) error { return n.snapshots.shelf.Delete(name) }

// PruneSnapshots deletes, of each space, all snapshots but the keepLast newest and the newest of each of the keepWeekly last weeks that have any, and
// returns what went. Damaged ones and ones from the future stay. Archives are not touched: buckets have rules of their own for that.
func (n *Node) PruneSnapshots(ctx context.Context, keepLast, keepWeekly int) ([]snapshot.Info, error) {
	return n.snapshots.shelf.Prune(ctx, keepLast, keepWeekly)
}

// RestoreSnapshot makes the space of this name, or that of the snapshot if it is empty, what the snapshot holds: a space of that name is replaced, a new
// one is made, an alias leads to the one that is replaced. All bytes are checked on the way. Until it returns nil, and after a crash at any moment before, everything is as it was;
// the old space is read and written until then, and what was written to it since the snapshot is gone afterwards.
func (n *Node) RestoreSnapshot(ctx context.Context, name, asSpace string) (info SpaceInfo, err error) {
	defer n.measure(metrics.Restore)(&err)
	done, err := n.spaces.turn(ctx)
	if err != nil {
		return SpaceInfo{}, err
	}
	defer done()
	i, err := n.snapshots.shelf.Get(name)
	if err != nil {
		return SpaceInfo{}, err
	}
	as := cmp.Or(asSpace, i.Space)
	if s, err := n.store.Space(as); err == nil {
		as = s.Name()
	}
	s, err := n.store.Adopt(ctx, as, i.Dimension, func(dir string) error {
		return n.snapshots.shelf.Fill(ctx, name, dir)
	})
	if s == nil {
		return SpaceInfo{}, fmt.Errorf("restore %s: %w", name, err)
	}
	if err != nil { // it is in place; what is left of the old one goes at the next start
		n.opts.Logger.Warn("the replaced space is not gone yet", "space", as, "error", err)
	}
	n.opts.Logger.Info("snapshot restored", "name", name, "space", as, "memories", i.Memories)
	return n.spaceInfo(as)
}

// ArchiveSnapshots copies all snapshots that a bucket does not have yet into it, each byte read back and compared, and returns those. An empty URL is that
// of the options. After an error it can be called again and does only what is missing.
func (n *Node) ArchiveSnapshots(ctx context.Context, bucketURL string) ([]snapshot.Info, error) {
	u, err := n.bucketURL(bucketURL)
	if err != nil {
		return nil, err
	}
	return n.snapshots.shelf.ArchiveAll(ctx, u)
}

// ArchivedSnapshots returns what a bucket has, the newest first.
func (n *Node) ArchivedSnapshots(ctx context.Context, bucketURL string) ([]snapshot.Info, error) {
	u, err := n.bucketURL(bucketURL)
	if err != nil {
		return nil, err
	}
	return snapshot.Archived(ctx, u)
}

// FetchSnapshot brings a snapshot back from a bucket, so that it can be restored. One that is here already stays as it is.
func (n *Node) FetchSnapshot(ctx context.Context, bucketURL, name string) (snapshot.Info, error) {
	u, err := n.bucketURL(bucketURL)
	if err != nil {
		return snapshot.Info{}, err
	}
	return n.snapshots.shelf.Fetch(ctx, u, name)
}

func (n *Node) bucketURL(u string) (string, error) {
	u = cmp.Or(u, n.SnapshotKeep().Archive)
	if u == "" {
		return "", fmt.Errorf("%w: no bucket is given, and none is set for archives", ErrInvalid)
	}
	return n.outside(u)
}

// outside refuses a bucket that would be lost with the node.
func (n *Node) outside(u string) (string, error) {
	if parsed, err := url.Parse(u); err == nil && parsed.Scheme == "file" && within(parsed.Path, n.opts.DataDir) {
		return "", fmt.Errorf("%w: the bucket is in the data directory, and would be lost with it", ErrInvalid)
	}
	return u, nil
}

// within tells whether a path is dir or in it.
func within(path, dir string) bool {
	real := func(p string) string {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		if resolved, err := filepath.EvalSymlinks(p); err == nil {
			p = resolved
		}
		return p
	}
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && filepath.IsLocal(rel)
}
