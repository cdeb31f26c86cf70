package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
)

func newNodeStats(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show tiers, spaces, log and memory of a node",
		Long: `Show how many memories are in which tier (DUE is where the settings would have them at this moment),
and what the spaces, the log and the index take.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Storage, error) { return c.Storage(ctx, n.space) }, view.Storage)
		},
	}
	n.within(cmd)
	return cmd
}
