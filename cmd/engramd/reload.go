package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newReload(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the agent read its configuration again",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			r, err := c.Reload(cmd.Context())
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), r, func(w io.Writer) error {
				text := "loaded; nothing has changed"
				if r.Changed {
					text = "loaded"
				}
				if len(r.Restart) > 0 {
					text += "; these take effect only after a restart: " + strings.Join(r.Restart, ", ")
				}
				_, err := fmt.Fprintln(w, text)
				return err
			})
		},
	}
}
