package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newStatus(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how the agent and its targets are",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), s, func(w io.Writer) error { return o.view().Status(w, s) })
		},
	}
}
