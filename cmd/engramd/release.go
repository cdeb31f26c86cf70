package main

import (
	"errors"
	"io"

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
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			done, err := c.Release(cmd.Context(), api.ReleaseRequest{Target: first(args), All: all})
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), done, func(w io.Writer) error { return o.view().Releases(w, done) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every target that engramd has ever changed")
	return cmd
}
