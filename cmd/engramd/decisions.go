package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

func newDecisions(o *options) *cobra.Command {
	var q api.DecisionQuery
	var since time.Duration
	var resource string
	cmd := &cobra.Command{
		Use:   "decisions",
		Short: "List what was decided, newest first",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.Resource = policy.Resource(resource)
			if since > 0 {
				q.Since = time.Now().Add(-since)
			}
			return ask(o, cmd, func(c *api.Client) ([]policy.Decision, error) { return c.Decisions(cmd.Context(), q) }, o.view().Decisions)
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Target, "target", "", "only of this target")
	f.StringVar(&q.Policy, "policy", "", "only of this policy or alert")
	f.StringVar(&resource, "resource", "", "only of this resource")
	f.DurationVar(&since, "since", 0, "only of the last so long, as 24h")
	f.IntVar(&q.Limit, "limit", 20, "how many at most")
	return cmd
}
