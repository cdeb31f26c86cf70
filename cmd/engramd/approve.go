package main

import (
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newApprove(o *options) *cobra.Command {
	var hash string
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Let a waiting change run",
		Long: `Let a waiting change run. The yes is bound to the plan that waits now; if the plan
changes before its turn, it must be asked for again. With --plan-hash (from engramd plan)
a plan that has changed since you looked is refused.`,
		Args: exactly(1, "the id of an action"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.act(cmd, func(c *api.Client) (api.ActionView, error) {
				return c.Approve(cmd.Context(), args[0], api.ApproveRequest{PlanHash: hash})
			})
		},
	}
	cmd.Flags().StringVar(&hash, "plan-hash", "", "approve only if the plan still has this hash")
	return cmd
}
