package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
	"github.com/engramd/engramd/node/tier"
)

func newNodeEvict(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	var to string
	cmd := &cobra.Command{
		Use:   "evict [ID...]",
		Short: "Evict now what the settings do not allow where it is, or single memories",
		Long: `Without ids, sweep at once: what is above its tier's share or below its threshold moves one tier down.
With ids, move these memories down whatever their activation.`,
		Example: "  engramd node evict\n  engramd node evict kettle --to cold",
		RunE: func(cmd *cobra.Command, ids []string) error {
			target, err := tier.Parse(to)
			if err != nil {
				return usageError{err}
			}
			if len(ids) == 0 {
				return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Evicted, error) { return c.EvictNow(ctx) }, view.Swept)
			}
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Evicted, error) {
				return c.Evict(ctx, n.space, ids, target)
			}, view.EvictedIDs)
		},
	}
	cmd.Flags().StringVar(&to, "to", "warm", "warm or cold; of ids")
	n.within(cmd)
	return cmd
}
