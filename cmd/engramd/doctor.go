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
directory, host locks, and each platform. NO is something that the configuration needs and
that does not work, and exit code 1; - is a platform that nothing in it uses.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, failed := diagnoseHost(cmd.Context(), o)
			err := o.print(cmd.OutOrStdout(), findings, func(w io.Writer) error {
				tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
				for _, f := range findings {
					fmt.Fprintf(tw, "%s\t%s\t%s\n", f.mark(), f.What, f.Detail)
					if !f.OK && f.Remedy != "" {
						fmt.Fprintf(tw, "\t\t-> %s\n", f.Remedy)
					}
				}
				return tw.Flush()
			})
			if err == nil && failed {
				err = fmt.Errorf("something that the configuration needs does not work; see above")
			}
			return err
		},
	}
}

// A hostFinding is one line of the doctor's.
type hostFinding struct {
	actuators.Finding
	// Needed says that the configuration cannot do without it.
	Needed bool `json:"needed"`
}

// mark is no complaint where something is missing that nothing needs.
func (f hostFinding) mark() string {
	switch {
	case f.OK:
		return "ok"
	case f.Needed:
		return "NO"
	}
	return "-"
}

// diagnoseHost probes everything, and reports whether something failed that the configuration needs.
func diagnoseHost(ctx context.Context, o *options) (findings []hostFinding, failed bool) {
	findings = []hostFinding{}
	add := func(fs []actuators.Finding, need bool) {
		for _, f := range fs {
			findings = append(findings, hostFinding{f, need})
			failed = failed || (need && !f.OK)
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
	return findings, failed
}
