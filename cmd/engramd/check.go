package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newCheck(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check agent.yaml, its matrices and rule files",
		Long: `Check the configuration and everything it names, without connecting to anything.
All faults are shown at once, each with its place and a remedy; exit code 2 if there is one.
Warnings (an overlap of rows, the cooldown that is in effect) leave the exit code at 0.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			type result struct {
				Path     string   `json:"path"`
				Targets  int      `json:"targets"`
				Policies int      `json:"policies"`
				Warnings []string `json:"warnings"`
			}
			r := result{Path: cfg.Path, Targets: len(cfg.Targets), Policies: cfg.CountPolicies(), Warnings: []string{}}
			for _, w := range cfg.Warnings {
				r.Warnings = append(r.Warnings, w.String())
			}
			return o.print(cmd.OutOrStdout(), r, func(w io.Writer) error {
				for _, text := range r.Warnings {
					fmt.Fprintln(w, "warning: "+text)
				}
				_, err := fmt.Fprintf(w, "%s is fine: %d targets, %d policies, %d warnings\n", r.Path, r.Targets, r.Policies, len(r.Warnings))
				return err
			})
		},
	}
}
