package main

import (
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

func newUnfreeze(o *options) *cobra.Command {
	var resource string
	cmd := &cobra.Command{
		Use:   "unfreeze TARGET",
		Short: "Let a frozen target, or one resource of it, be changed again",
		Args:  exactly(1, "a target"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.tell(cmd, args[0]+" is no longer frozen", func(c *api.Client) error {
				return c.Unfreeze(cmd.Context(), api.UnfreezeRequest{Target: args[0], Resource: policy.Resource(resource)})
			})
		},
	}
	cmd.Flags().StringVar(&resource, "resource", "", "only this resource (default: all)")
	return cmd
}
