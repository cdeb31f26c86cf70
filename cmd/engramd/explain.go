package main

import (
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
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
			return ask(o, cmd, func(c *api.Client) (api.Explanation, error) { return c.Explain(cmd.Context(), args[0]) }, o.view().Explain)
		},
	}
}
