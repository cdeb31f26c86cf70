package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
)

func newDiagnose(o *options) *cobra.Command {
	var since time.Duration
	var format string
	cmd := &cobra.Command{
		Use:   "diagnose [TARGET]",
		Short: "Say what holds a target back: a lock, CPU, memory, a disk, the network, or the load",
		Long: `Look for the bottleneck of one target, or of each: from what the agent measured of it (control group, threads,
pressure), what it tells of itself (Go's runtime, a memory node) and what the host shows. Every cause comes
with the evidence for it and against it, with what is missing to tell, and with the scaling guide's remedy.

A verdict is likely, possible, unknown (nothing that was measured tells) or ruled out. What was not measured
never counts as zero.`,
		Example: `  engramd diagnose
  engramd diagnose engram --since 15m
  engramd diagnose engram --format json | jq '.[0].causes[0]'`,
		Args: atMost(1, "a target, or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if since <= 0 {
				return usageError{fmt.Errorf("--since %s: want how long ago, as 5m", since)}
			}
			switch format {
			case "":
			case "table", "json":
				o.output = format
			default:
				return usageError{fmt.Errorf("--format %s: want table or json", format)}
			}
			q := api.DiagnosisQuery{Target: first(args), Since: time.Now().Add(-since)}
			return ask(o, cmd, func(c *api.Client) ([]api.DiagnosisView, error) { return c.Diagnose(cmd.Context(), q) }, o.view().Diagnoses)
		},
	}
	cmd.Flags().DurationVar(&since, "since", 5*time.Minute, "look at the last so long; what a target used is remembered for 2h")
	cmd.Flags().StringVar(&format, "format", "", "table or json (the same as -o)")
	return cmd
}
