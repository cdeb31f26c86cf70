package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
	"github.com/engramd/engramd/policy/standby"
)

// A standbying is what the command was told.
type standbying struct {
	*options
	class, cpu, memory, storage, index string
	rto                                time.Duration
	prices, snippet, name              string
}

func newStandby(o *options) *cobra.Command {
	s := &standbying{options: o}
	cmd := &cobra.Command{
		Use:   "standby",
		Short: "Size what stands by for disaster, from production's sizes",
		Long: `Size a cold, warm or hot standby by the scaling guide's classes, with the time to recover and its share of production's cost.
Without --class and --rto all classes are shown.`,
		Example: `  engramd standby --class warm --cpu 8 --memory 16Gi --storage 200Gi
  engramd standby --rto 10m --cpu 8 --memory 16Gi --storage 200Gi --prices prices.yaml
  engramd standby --class hot --cpu 8 --memory 16Gi --storage 200Gi --snippet kubernetes`,
		Args: exactly(0, "no arguments; production's sizes are flags"),
		RunE: s.run,
	}
	f := cmd.Flags()
	f.StringVar(&s.class, "class", "", "cold, warm or hot")
	f.DurationVar(&s.rto, "rto", 0, "the cheapest class that has recovered within so long")
	f.StringVar(&s.cpu, "cpu", "", "production's cores, as 8")
	f.StringVar(&s.memory, "memory", "", "production's memory, as 16Gi")
	f.StringVar(&s.storage, "storage", "", "production's storage, as 200Gi")
	f.StringVar(&s.index, "index", "", "what is resident of every memory (index_bytes of the node's stats): a standby must hold it")
	f.StringVar(&s.prices, "prices", "", "file with a table of prices, as for capacity")
	f.StringVar(&s.snippet, "snippet", "", "print the size for a platform instead: kubernetes, compose or systemd")
	f.StringVar(&s.name, "name", "engram", "the name of the container or service in the snippet")
	return cmd
}

func (s *standbying) run(cmd *cobra.Command, _ []string) error {
	production, err := s.production()
	if err != nil {
		return err
	}
	classes, err := s.classes()
	if err != nil {
		return err
	}
	var prices *capacity.Prices
	if s.prices != "" {
		p, err := sizing.ReadPrices(s.prices)
		if err != nil {
			return err
		}
		prices = &p
	}
	var plans []standby.Plan
	for _, c := range classes {
		p, err := standby.Of(c, production, prices)
		if err != nil {
			return usageError{fmt.Errorf("standby: %w", err)}
		}
		plans = append(plans, p)
	}
	if s.snippet == "" {
		return s.print(cmd.OutOrStdout(), plans, func(w io.Writer) error { return standbyText(w, plans) })
	}
	if len(plans) != 1 {
		return usageError{errors.New("--snippet: for which one? give --class or --rto")}
	}
	text, err := sizing.Snippet(s.snippet, s.name, plans[0].Size)
	if err != nil {
		return usageError{fmt.Errorf("--snippet: %w", err)}
	}
	return s.print(cmd.OutOrStdout(), struct {
		standby.Plan
		Snippet string `json:"snippet"`
	}{plans[0], text}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// classes are those that were asked for.
func (s *standbying) classes() ([]standby.Class, error) {
	switch {
	case s.class != "" && s.rto != 0:
		return nil, usageError{errors.New("standby: --class and --rto: give one of them")}
	case s.rto != 0:
		c, err := standby.For(s.rto)
		if err != nil {
			return nil, usageError{fmt.Errorf("--rto: %w", err)}
		}
		return []standby.Class{c}, nil
	case s.class != "":
		if _, err := standby.RuleOf(standby.Class(s.class)); err != nil {
			return nil, usageError{fmt.Errorf("--class: %w", err)}
		}
		return []standby.Class{standby.Class(s.class)}, nil
	}
	return standby.Classes(), nil
}

func (s *standbying) production() (standby.Production, error) {
	var p standby.Production
	for _, one := range []struct {
		flag, text string
		resource   policy.Resource
		into       *int64
	}{{"cpu", s.cpu, policy.CPU, &p.MilliCPU}, {"memory", s.memory, policy.Memory, &p.MemoryBytes}, {"storage", s.storage, policy.Storage, &p.StorageBytes}} {
		n, err := amountOf(one.flag, one.text, one.resource)
		if err != nil {
			return p, err
		}
		*one.into = n
	}
	if s.index == "" {
		return p, nil
	}
	n, err := amountOf("index", s.index, policy.Memory)
	p.IndexBytes = &n
	return p, err
}

// amountOf reads a flag that is an amount of a resource.
func amountOf(flag, text string, r policy.Resource) (int64, error) {
	if text == "" {
		return 0, usageError{fmt.Errorf("--%s is missing", flag)}
	}
	q, err := policy.ParseQuantity(r, text)
	n, limited := q.Amount()
	if err == nil && !limited {
		err = errors.New("want an amount")
	}
	if err != nil {
		return 0, usageError{fmt.Errorf("--%s %s: %w", flag, text, err)}
	}
	return n, nil
}

func standbyText(w io.Writer, plans []standby.Plan) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "CLASS\tCPU\tMEMORY\tSTORAGE\tRECOVERS IN\tCOST (GUIDE)\tCOST")
	for _, p := range plans {
		cost := "-"
		if p.Cost != nil {
			cost = fmt.Sprintf("%.2f %s a month%s", p.Cost.Total, p.Cost.Currency, missingText(*p.Cost))
		}
		if p.CostPercent != nil {
			cost = fmt.Sprintf("%.0f%% (%s)", *p.CostPercent, cost)
		}
		recovers := policy.FormatDuration(p.RTOAtMost)
		if p.RTOAtLeast > 0 {
			recovers = policy.FormatDuration(p.RTOAtLeast) + " to " + recovers
		} else {
			recovers = "less than " + recovers
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%g-%g%%\t%s\n", p.Class, policy.CPU.Format(policy.Amount(p.Size.MilliCPU)),
			bytesText(p.Size.MemoryBytes), bytesText(p.Size.StorageBytes), recovers, p.GuideCost.From, p.GuideCost.To, cost)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range plans {
		for _, warning := range p.Warnings {
			fmt.Fprintf(w, "warning: %s: %s\n", p.Class, warning)
		}
	}
	return nil
}
