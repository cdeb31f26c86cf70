package main

import (
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newPlan(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "plan [TARGET]",
		Short: "Show what would be done now, how, and what stands against it",
		Args:  atMost(1, "a target, or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(o, cmd, func(c *api.Client) ([]api.PlanView, error) { return c.Plan(cmd.Context(), first(args)) }, o.view().Plans)
		},
	}
}
