package main

import (
	"fmt"
	"io"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newPause(o *options) *cobra.Command {
	var r api.PauseRequest
	var length string
	cmd := &cobra.Command{
		Use:   "pause [TARGET]",
		Short: "Begin no new change on a target, or on any",
		Args:  atMost(1, "a target, or nothing for all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			r.Target = first(args)
			if r.For, err = parseFor(length); err != nil {
				return err
			}
			return ask(o, cmd, func(c *api.Client) (api.PauseView, error) { return c.Pause(cmd.Context(), r) },
				func(w io.Writer, p api.PauseView) error {
					_, err := fmt.Fprintf(w, "%s paused%s\n", everyTarget(p.Target), until(p.Until))
					return err
				})
		},
	}
	cmd.Flags().StringVar(&length, "for", "", "how long, as 2h or 1d (default: until engramd resume)")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why")
	return cmd
}

func parseFor(text string) (model.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usageError{fmt.Errorf("--for %q: want a length of time such as 30m, 2h or 1d12h", text)}
	}
	return d, nil
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.Local().Format(time.RFC3339)
}

func everyTarget(name string) string {
	if name == "" {
		return "every target"
	}
	return name
}
