package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newCancel(o *options) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "End a waiting change, or take back one that is being watched",
		Args:  exactly(1, "the id of an action"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.act(cmd, func(c *api.Client) (api.ActionView, error) {
				return c.Cancel(cmd.Context(), args[0], api.ReasonRequest{Reason: reason})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

// act asks the agent to do something with an action, and shows how that stands.
func (o *options) act(cmd *cobra.Command, question func(*api.Client) (api.ActionView, error)) error {
	return ask(o, cmd, question, func(w io.Writer, a api.ActionView) error { return o.view().Actions(w, []api.ActionView{a}) })
}
