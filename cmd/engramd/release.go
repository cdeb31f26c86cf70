package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newRelease(o *options) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "release TARGET | --all",
		Short: "Give limits back to what they were before engramd",
		Args:  atMost(1, "a target, or --all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return usageError{errors.New("release: name one target, or say --all")}
			}
			r := api.ReleaseRequest{Target: first(args), All: all}
			return ask(o, cmd, func(c *api.Client) ([]api.ReleaseView, error) { return c.Release(cmd.Context(), r) }, o.view().Releases)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every target that engramd has ever changed")
	return cmd
}
