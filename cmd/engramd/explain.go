package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newExplain(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Tell why something was decided, and what became of it",
		Long: `Tell everything about one decision: the signals it was based on, with their age, the
row that matched, every limit that touched it, what lost against it, what held it, and
what its action did. ID is a decision's or an action's, or the beginning of one.`,
		Args: exactly(1, "the id of a decision or an action"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			x, err := c.Explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), x, func(w io.Writer) error { return o.view().Explain(w, x) })
		},
	}
}
