package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newResume(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "resume [TARGET]",
		Short: "End a pause of a target, or the one of all",
		Args:  atMost(1, "a target, or nothing for the pause of all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.tell(cmd, everyTarget(first(args))+" is no longer paused", func(c *api.Client) error {
				return c.Resume(cmd.Context(), api.TargetRequest{Target: first(args)})
			})
		},
	}
}

// tell asks the agent for something that has no answer but done.
func (o *options) tell(cmd *cobra.Command, done string, order func(*api.Client) error) error {
	type answer struct {
		Done string `json:"done"`
	}
	return ask(o, cmd, func(c *api.Client) (answer, error) { return answer{done}, order(c) },
		func(w io.Writer, a answer) error {
			_, err := fmt.Fprintln(w, a.Done)
			return err
		})
}
