package main

import (
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newReject(o *options) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "reject ID",
		Short: "Say no to a waiting change; it is not proposed again before retry_after",
		Args:  exactly(1, "the id of an action"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.act(cmd, func(c *api.Client) (api.ActionView, error) {
				return c.Reject(cmd.Context(), args[0], api.ReasonRequest{Reason: reason})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}
