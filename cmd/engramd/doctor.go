package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent"
)

func newDoctor(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what works on this machine, and with which rights",
		Long: `Look at what engramd can measure and change here: cgroups, pressure, the data
directory, host locks, and each platform. Exit code 1 if something that the configuration
needs does not work.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, needed := diagnoseHost(cmd.Context(), o)
			err := o.print(cmd.OutOrStdout(), findings, func(w io.Writer) error {
				tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
				for _, f := range findings {
					mark := "ok"
					if !f.OK {
						mark = "NO"
					}
					fmt.Fprintf(tw, "%s\t%s\t%s\n", mark, f.What, f.Detail)
					if !f.OK && f.Remedy != "" {
						fmt.Fprintf(tw, "\t\t-> %s\n", f.Remedy)
					}
				}
				return tw.Flush()
			})
			if err == nil && needed {
				err = fmt.Errorf("something that the configuration needs does not work; see above")
			}
			return err
		},
	}
}

// diagnoseHost probes everything, and reports whether something failed that the configuration needs.
func diagnoseHost(ctx context.Context, o *options) (findings []actuators.Finding, needed bool) {
	findings = []actuators.Finding{}
	add := func(fs []actuators.Finding, need bool) {
		findings = append(findings, fs...)
		for _, f := range fs {
			needed = needed || (need && !f.OK)
		}
	}
	cfg, err := o.load()
	if err != nil {
		add([]actuators.Finding{{What: "configuration", Detail: "it has faults", Remedy: "engramd check"}}, true)
	} else {
		add(agent.Doctor(cfg), true)
	}
	uses := map[string]bool{}
	if cfg != nil {
		for _, t := range cfg.Targets {
			for _, d := range t.Drivers {
				uses[d] = true
			}
		}
	}
	probe := func(ctx context.Context, p actuators.Platform) ([]actuators.Finding, error) { return p.Probe(ctx), nil }
	for name, got := range askAll(ctx, registry(), probeTime, probe) {
		if got.err != nil {
			got.answer = []actuators.Finding{{What: name, Detail: got.err.Error(), Remedy: "see why it does not answer"}}
		}
		add(got.answer, uses[name])
	}
	return findings, needed
}
