package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newPlan(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "plan [TARGET]",
		Short: "Show what would be done now, how, and what stands against it",
		Args:  atMost(1, "a target, or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			plans, err := c.Plan(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), plans, func(w io.Writer) error { return o.view().Plans(w, plans) })
		},
	}
}
