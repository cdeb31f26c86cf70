package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
)

// An analysing is what the command was told.
type analysing struct {
	*options
	period, phase, target, file, format, prices string
}

func newAnalyze(o *options) *cobra.Command {
	a := &analysing{options: o}
	cmd := &cobra.Command{
		Use:   "analyze",
		Short: "Say what targets used, what they should have, and what that saves",
		Long: `Ask the agent what each target used over a period, and say what it should have: by the scaling guide's phases (initial
twice the planner's, from day 7 on 1.3 times the peak, from day 30 on the target ranges) and by the rightsize policy, side by side.
Of a target of several parts, as pods, a size is that of one, and what it saves in money that of all.

A phase follows from how long there is a history; --phase names another.`,
		Example: `  engramd analyze --period 7d
  engramd analyze --period 30d --format json --output capacity-analysis.json
  engramd analyze --target web --format kubernetes`,
		Args: exactly(0, "no arguments"),
		RunE: a.run,
	}
	f := cmd.Flags()
	f.StringVar(&a.period, "period", "7d", "how far back, as 7d")
	f.StringVar(&a.phase, "phase", "", "initial, optimise or steady_state")
	f.StringVar(&a.target, "target", "", "only this target")
	f.StringVarP(&a.file, "output", "o", "table", "table, json or another of --format's, or a file to write to instead; - is none")
	f.StringVar(&a.format, "format", "", "table, json, csv, or the sizes for kubernetes, compose or systemd (default: by --output; .json and .csv files are what they are called)")
	f.StringVar(&a.prices, "prices", "", "file with a table of prices, as for capacity, for what it saves")
	return cmd
}

func (a *analysing) run(cmd *cobra.Command, _ []string) error {
	o := sizing.AnalyzeOptions{Now: time.Now(), Target: a.target, Phase: capacity.Phase(a.phase)}
	var err error
	if o.Period, err = policy.ParseDuration(a.period); err != nil {
		return usageError{fmt.Errorf("--period: %w", err)}
	}
	if o.Period < sizing.LeastPeriod {
		return usageError{fmt.Errorf("--period %s: want %s at least", a.period, policy.FormatDuration(sizing.LeastPeriod))}
	}
	if known := []capacity.Phase{"", capacity.Initial, capacity.Optimise, capacity.Steady}; !slices.Contains(known, o.Phase) {
		return usageError{fmt.Errorf("--phase %s: want initial, optimise or steady_state", a.phase)}
	}
	write, err := a.writer()
	if err != nil {
		return err
	}
	if a.prices != "" {
		p, err := sizing.ReadPrices(a.prices)
		if err != nil {
			return err
		}
		o.Prices = &p
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := sizing.Analyze(cmd.Context(), c.Query(), o)
	if err != nil {
		return err
	}
	return a.into(cmd.OutOrStdout(), func(w io.Writer) error { return write(w, found) })
}

// writer is how the answer is written: as --format says, else as the name after --output does.
func (a *analysing) writer() (func(io.Writer, sizing.Analysis) error, error) {
	format, ending := a.format, strings.TrimPrefix(filepath.Ext(a.file), ".")
	named := slices.Contains(append([]string{"table", "json", "csv"}, sizing.SnippetKinds()...), a.file)
	switch {
	case format != "":
	case named:
		format = a.file
	case ending == "csv" || ending == "json":
		format = ending
	default:
		format = "table"
	}
	if named || a.file == "-" {
		a.file = ""
	}
	switch {
	case format == "table":
		return analysisText, nil
	case format == "json":
		return func(w io.Writer, found sizing.Analysis) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(found)
		}, nil
	case format == "csv":
		return analysisCSV, nil
	case slices.Contains(sizing.SnippetKinds(), format):
		return func(w io.Writer, found sizing.Analysis) error { return analysisSnippets(w, format, found) }, nil
	}
	return nil, usageError{fmt.Errorf("--format %s: want table, json, csv, %s", format, strings.Join(sizing.SnippetKinds(), ", "))}
}

// into writes to the file that was named, whole or not at all, or to out.
func (a *analysing) into(out io.Writer, write func(io.Writer) error) error {
	if a.file == "" {
		return write(out)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	part := a.file + ".part"
	err := os.WriteFile(part, b.Bytes(), 0o644)
	if err == nil {
		err = os.Rename(part, a.file)
	}
	if err != nil {
		os.Remove(part)
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}

func analysisText(w io.Writer, a sizing.Analysis) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "TARGET\tRESOURCE\tNOW\tMEAN\tP95\tPEAK\tPEAK OF NOW\tPHASE\tBY PHASE\tBY RIGHTSIZE\tRECOMMENDED\tSAVES\tCONFIDENCE")
	for _, one := range a.Targets {
		for _, r := range one.Resources {
			percent := "-"
			if r.PeakPercent != nil {
				percent = fmt.Sprintf("%.0f%%", *r.PeakPercent)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f%%\n", one.Target, r.Resource, sizeText(r.Resource, r.Limit),
				sizeText(r.Resource, &r.Mean), sizeText(r.Resource, &r.P95), sizeText(r.Resource, &r.Peak), percent, one.Phase,
				sizeText(r.Resource, r.Phased), sizeText(r.Resource, &r.Rightsize), sizeText(r.Resource, &r.Recommended), sizeText(r.Resource, r.Saved), 100*r.Confidence)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, one := range a.Targets {
		if one.Saving != nil {
			fmt.Fprintf(w, "%s: %.2f %s a month less%s\n", one.Target, *one.Saving, one.Currency, ofAll(one.Parts))
		}
		if one.Phase == capacity.Initial {
			fmt.Fprintf(w, "%s: in its first week the guide keeps twice what the planner says (engramd capacity); here it is the rightsize policy's size\n", one.Target)
		}
	}
	for _, note := range a.Notes {
		fmt.Fprintln(w, "note: "+note)
	}
	if len(a.Targets) == 0 {
		fmt.Fprintln(w, "nothing was measured in that time")
	}
	return nil
}

// ofAll says that a saving is of several parts; a size is always one's.
func ofAll(parts int) string {
	if parts < 2 {
		return ""
	}
	return fmt.Sprintf(", of its %d parts together; sizes are those of one", parts)
}

// sizeText writes cores or bytes, and "-" for what is not known.
func sizeText(r policy.Resource, v *float64) string {
	switch {
	case v == nil:
		return "-"
	case r == policy.CPU:
		return strconv.FormatFloat(*v, 'f', 3, 64)
	case *v < 0:
		return "-" + bytesText(int64(-*v))
	}
	return bytesText(int64(*v))
}

func analysisCSV(w io.Writer, a sizing.Analysis) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"target", "phase", "resource", "limit", "mean", "p50", "p90", "p95", "p99", "peak", "phase_size", "rightsize_size", "recommended", "saved", "confidence", "parts"}}
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', -1, 64)
	}
	for _, one := range a.Targets {
		parts := ""
		if one.Parts > 0 {
			parts = strconv.Itoa(one.Parts)
		}
		for _, r := range one.Resources {
			rows = append(rows, []string{
				one.Target, string(one.Phase), string(r.Resource), number(r.Limit), number(&r.Mean), number(&r.P50), number(&r.P90), number(&r.P95),
				number(&r.P99), number(&r.Peak), number(r.Phased), number(&r.Rightsize), number(&r.Recommended), number(r.Saved), number(&r.Confidence), parts,
			})
		}
	}
	return out.WriteAll(rows)
}

func analysisSnippets(w io.Writer, kind string, a sizing.Analysis) error {
	for _, one := range a.Targets {
		text, err := sizing.Snippet(kind, one.Target, one.Recommended())
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s", one.Target, text); err != nil {
			return err
		}
	}
	return nil
}
