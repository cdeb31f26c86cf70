package main

import (
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newStatus(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how the agent and its targets are",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(o, cmd, func(c *api.Client) (api.Status, error) { return c.Status(cmd.Context()) }, o.view().Status)
		},
	}
}
