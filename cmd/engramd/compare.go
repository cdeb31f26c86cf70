package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/compare"
)

func newCompare(o *options) *cobra.Command {
	var with compare.Options
	cmd := &cobra.Command{
		Use:   "compare BEFORE.json AFTER.json",
		Short: "Say whether a change of size helped, by two benchmarks",
		Long: `Compare what "engramd bench-target" saved before and after a change: by the scaling guide's rule (less CPU by 10% or more
throughput by 20%), and against noise by a rank test, so that noise is called neither a gain nor a regression.

Exit code 1 if a metric regressed.`,
		Args: exactly(2, "two results"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !(with.Alpha > 0 && with.Alpha < 1) {
				return usageError{fmt.Errorf("--alpha %v: want a number between 0 and 1", with.Alpha)}
			}
			if !(with.Regression > 0) || math.IsInf(with.Regression, 0) {
				return usageError{fmt.Errorf("--regression %v: want per cent above 0", with.Regression)}
			}
			before, err := sizing.ReadResult(args[0])
			if err != nil {
				return err
			}
			after, err := sizing.ReadResult(args[1])
			if err != nil {
				return err
			}
			c := compare.Compare(before, after, with)
			if err := o.print(cmd.OutOrStdout(), c, func(w io.Writer) error { return compareText(w, c) }); err != nil {
				return err
			}
			if c.Verdict == compare.Regressed {
				return fmt.Errorf("regressed: %s", c.Reason)
			}
			return nil
		},
	}
	cmd.Flags().Float64Var(&with.Alpha, "alpha", 0.05, "how often noise alone may be called a difference")
	cmd.Flags().Float64Var(&with.Regression, "regression", 5, "per cent that a metric has to get worse by, beside being told from noise")
	return cmd
}

func compareText(w io.Writer, c compare.Comparison) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "METRIC\tBEFORE\tAFTER\tIMPROVEMENT\tP\tFINDING\tREASON")
	for _, one := range c.Changes {
		improvement, p := "-", "-"
		if one.Improvement != nil {
			improvement = fmt.Sprintf("%+.1f%%", *one.Improvement)
		}
		if one.P != nil {
			p = fmt.Sprintf("%.3f", *one.P)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.Metric, summaryText(one.Before), summaryText(one.After), improvement, p, one.Finding, one.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s: %s\n", c.Verdict, c.Reason)
	if c.Warning != "" {
		fmt.Fprintln(w, c.Warning)
	}
	return nil
}

func summaryText(s *compare.Summary) string {
	if s == nil {
		return "-"
	}
	if s.N == 1 {
		return fmt.Sprintf("%.4g", s.Median)
	}
	return fmt.Sprintf("%.4g (%.4g to %.4g, n=%d)", s.Median, s.Least, s.Most, s.N)
}
