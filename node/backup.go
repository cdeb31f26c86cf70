package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/engramd/engramd/node/snapshot"
)

// runSnapshots takes snapshots by the schedule until ctx ends.
func (n *Node) runSnapshots(ctx context.Context) error {
	o := n.opts.Snapshots
	if o.Schedule == "" {
		return nil
	}
	schedule, err := snapshot.ParseSchedule(o.Schedule, o.Location)
	if err != nil {
		return err
	}
	return schedule.Run(ctx, n.opts.Now, n.oldestBackup, func(ctx context.Context) error {
		err := n.backUp(ctx, schedule)
		if err != nil && ctx.Err() == nil {
			n.snapshots.note(n.opts.Now(), err)
			n.opts.Logger.Error("scheduled snapshots failed", "error", err)
		}
		return err
	})
}

// oldestBackup returns the time of the newest snapshot of the space that has waited longest for another one; zero if none has any.
func (n *Node) oldestBackup() time.Time {
	var oldest time.Time
	for _, at := range n.backups() {
		if !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// backups returns when the newest snapshot of each living space was taken.
func (n *Node) backups() map[string]time.Time {
	out := map[string]time.Time{}
	st, err := n.SnapshotStats()
	if err != nil {
		n.opts.Logger.Error("cannot list snapshots", "error", err)
	}
	for _, s := range n.store.Spaces() {
		out[s.Name] = st.Spaces[s.Name].LastSuccess
	}
	return out
}

// backUp takes a snapshot of each space that is behind the schedule, archives what is not archived yet, and prunes. One that fails hinders no
// other.
func (n *Node) backUp(ctx context.Context, schedule *snapshot.Schedule) error {
	var errs []error
	backups, now := n.backups(), n.opts.Now()
	for _, s := range n.store.Spaces() {
		if last := backups[s.Name]; !last.IsZero() && !last.After(now) && schedule.After(last).After(now) {
			continue
		}
		_, err := n.Snapshot(ctx, s.Name)
		errs = append(errs, err)
	}
	o := n.SnapshotKeep()
	if o.Archive != "" {
		_, err := n.ArchiveSnapshots(ctx, o.Archive)
		errs = append(errs, err)
	}
	_, err := n.PruneSnapshots(ctx, o.Last, o.Weekly)
	errs = append(errs, err)
	if slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, ErrNoSpace) }) && ctx.Err() == nil {
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrNoSpace) }) // dropped meanwhile
	}
	return errors.Join(errs...)
}
