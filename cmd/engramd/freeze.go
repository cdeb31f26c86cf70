package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

func newFreeze(o *options) *cobra.Command {
	var r api.FreezeRequest
	var resource, length string
	cmd := &cobra.Command{
		Use:   "freeze TARGET",
		Short: "Keep a target, or one resource of it, as it is",
		Args:  exactly(1, "a target"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			r.Target, r.Resource = args[0], policy.Resource(resource)
			if r.For, err = parseFor(length); err != nil {
				return err
			}
			return ask(o, cmd, func(c *api.Client) (api.FreezeView, error) { return c.Freeze(cmd.Context(), r) },
				func(w io.Writer, f api.FreezeView) error {
					_, err := fmt.Fprintf(w, "%s frozen%s\n", f.Target, until(f.Until))
					return err
				})
		},
	}
	cmd.Flags().StringVar(&resource, "resource", "", "only this resource (default: all)")
	cmd.Flags().StringVar(&length, "for", "", "how long, as 2h or 1d (default: until engramd unfreeze)")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why")
	return cmd
}
