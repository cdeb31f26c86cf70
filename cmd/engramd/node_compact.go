package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
)

func newNodeCompact(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Give back what the files of a space do not need any more",
		Long: `Rewrite the file of a space without what was deleted, beside readers and writers; node stats shows as
FILE and USED what there is to gain. It needs as much free space on the disk as is used.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Compacted, error) { return c.Compact(ctx, n.space) }, view.Compacted)
		},
	}
	n.within(cmd)
	return cmd
}
