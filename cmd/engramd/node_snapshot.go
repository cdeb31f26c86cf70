package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
	"github.com/engramd/engramd/node/snapshot"
)

func newNodeSnapshot(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Take, list, verify, prune, restore, archive and fetch snapshots",
		Long: `A snapshot is a consistent copy of one space, taken while reading and writing go on. A restore puts it
in place of the space under a new timeline: what was written after it does not come back.`,
	}
	cmd.AddCommand(newSnapshotCreate(o), newSnapshotList(o), newSnapshotVerify(o), newSnapshotDelete(o), newSnapshotPrune(o),
		newSnapshotRestore(o), newSnapshotArchive(o), newSnapshotFetch(o))
	return cmd
}

func newSnapshotCreate(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Take a snapshot of a space",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (snapshot.Info, error) { return c.Snapshot(ctx, n.space) }, view.Snapshot)
		},
	}
	n.within(cmd)
	return cmd
}

func newSnapshotList(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	var bucket string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List snapshots, the newest first; of all spaces, if none is named",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Snapshots, error) {
				return c.Snapshots(ctx, n.space, bucket)
			}, view.Snapshots)
		},
	}
	cmd.Flags().StringVar(&bucket, "bucket", "", "list those that this bucket has: file:///dir or s3://name?region=R")
	n.within(cmd)
	return cmd
}

func newSnapshotVerify(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Read all of a snapshot and compare it with its checksums",
		Args:  exactly(1, "the name of a snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (snapshot.Info, error) { return c.VerifySnapshot(ctx, args[0]) }, view.Snapshot)
		},
	}
	n.reach(cmd)
	return cmd
}

func newSnapshotDelete(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a snapshot; what is archived stays there",
		Args:  exactly(1, "the name of a snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (struct{}, error) {
				return struct{}{}, c.DeleteSnapshot(ctx, args[0])
			}, done("%s deleted", args[0]))
		},
	}
	n.reach(cmd)
	return cmd
}

func newSnapshotPrune(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	var last, weekly int
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete all snapshots but the last ones and weekly ones, of each space, and list what went",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Snapshots, error) {
				return c.PruneSnapshots(ctx, last, weekly)
			}, view.Snapshots)
		},
	}
	cmd.Flags().IntVar(&last, "keep-last", snapshot.DefaultKeepLast, "how many of the newest stay")
	cmd.Flags().IntVar(&weekly, "keep-weekly", snapshot.DefaultKeepWeekly, "of how many weeks the newest stays")
	n.reach(cmd)
	return cmd
}

func newSnapshotRestore(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "restore NAME",
		Short: "Put a snapshot in place of the space from which it was taken, or of --space",
		Args:  exactly(1, "the name of a snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Space, error) {
				return c.RestoreSnapshot(ctx, args[0], n.space)
			}, view.Space)
		},
	}
	n.reach(cmd)
	cmd.Flags().StringVar(&n.space, "space", "", "restore under this name (default: that of the snapshot)")
	return cmd
}

func newSnapshotArchive(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "archive [BUCKET]",
		Short: "Copy all snapshots that it lacks to a bucket, and list them",
		Long:  `Copy all snapshots that it lacks to a bucket (file:///dir or s3://name?region=R), else to that of the node's configuration.`,
		Args:  atMost(1, "a bucket, or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Snapshots, error) {
				return c.ArchiveSnapshots(ctx, first(args))
			}, view.Snapshots)
		},
	}
	n.reach(cmd)
	return cmd
}

func newSnapshotFetch(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	var bucket string
	cmd := &cobra.Command{
		Use:   "fetch NAME",
		Short: "Copy a snapshot from a bucket to the node, to be restored there",
		Args:  exactly(1, "the name of a snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (snapshot.Info, error) {
				return c.FetchSnapshot(ctx, bucket, args[0])
			}, view.Snapshot)
		},
	}
	cmd.Flags().StringVar(&bucket, "bucket", "", "file:///dir or s3://name?region=R (default: that of the node's configuration)")
	n.reach(cmd)
	return cmd
}
