package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newReload(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the agent read its configuration again",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(o, cmd, func(c *api.Client) (api.ReloadView, error) { return c.Reload(cmd.Context()) }, reloaded)
		},
	}
}

// reloaded says what a reload did.
func reloaded(w io.Writer, r api.ReloadView) error {
	text := "loaded; nothing has changed"
	if r.Changed {
		text = "loaded"
	}
	if len(r.Restart) > 0 {
		text += "; these take effect only after a restart: " + strings.Join(r.Restart, ", ")
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
