package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent"
	"github.com/engramd/engramd/agent/api"
)

func newExplain(o *options) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Tell why something was decided, and what became of it",
		Long: `Tell everything about one decision: the signals it was based on, with their age, the
row that matched, every limit that touched it, what lost against it, what held it, and
what its action did. ID is a decision's or an action's, or the beginning of one.

Where the agent does not run any more, --data-dir reads its journal.`,
		Args: exactly(1, "the id of a decision or an action"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir != "" {
				x, err := agent.ExplainFrom(dir, args[0])
				if err != nil {
					return err
				}
				return o.print(cmd.OutOrStdout(), x, func(w io.Writer) error { return o.view().Explain(w, x) })
			}
			return ask(o, cmd, func(c *api.Client) (api.Explanation, error) { return c.Explain(cmd.Context(), args[0]) }, o.view().Explain)
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "read the journal in the data_dir of an agent that does not run")
	return cmd
}
