package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
	"github.com/engramd/engramd/policy/replay"
)

// A replaying is what the command was told.
type replaying struct {
	*options
	circumstances replay.Options
	policies      []string
	format        string
	pictures      string // folder
	ending        string // of a picture's name
	prices        string
	target        string // of the agent
	prometheus    string
	query         string
	period        string
}

func newReplay(o *options) *cobra.Command {
	r := &replaying{options: o}
	cmd := &cobra.Command{
		Use:   "replay TRACE...",
		Short: "Run sizing policies over recorded demand, and measure what they waste and withhold",
		Long: `Run policies in a closed loop over recordings of CPU demand: every minute the policy sees the demand that its
limit let through and whether it cut some off, and its size counts from the next minute.

A recording is a CSV file: "timestamp,value" in per cent, which is scaled to --host-cpu, or
"TIMESTAMP,CPU_USAGE_ACTUAL" in cores. Demand is held between samples. --target takes what the agent has measured of a target,
--prometheus and --query what a Prometheus server has, in cores.

Beside the built-in policies there are those of agent.yaml by their names, under their target's limits, cooldowns and budgets, and guide,
which is the scaling guide's CPU matrix. A recording of CPU has no latency: a matrix that asks for it sees 5 ms while the demand fits, and 100 ms
while some is cut off. Nothing is taken back in a replay.

SLACK is the part of the limits that was not used, UNMET the part of the demand above the limit, OVER the part
of the time, WEIGHTED the slack of each minute weighted by its demand; REGRET is how much more was held than by limits
that know the future, leave nothing unmet and change as often. All are per cent.

--format json writes one object a trace and policy, each on a line of its own.`,
		Example: `  engramd replay --host-cpu 16 --start 4 --min-cpu 0.1 day.csv
  engramd replay --policy all --pictures out/ *.csv
  engramd replay --policy rightsize --format json week.csv | jq .slack`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && r.target == "" && r.query == "" {
				return usageError{errors.New("replay: want at least one recording, a CSV file, or --target or --query; see engramd replay --help")}
			}
			return nil
		},
		RunE: r.run,
	}
	f := cmd.Flags()
	f.Float64Var(&r.circumstances.Host, "host-cpu", 16, "cores of the host: no limit is above, and 100% of a recording in per cent")
	f.Float64Var(&r.circumstances.Start, "start", 4, "the limit at the beginning, in cores")
	f.Float64Var(&r.circumstances.Min, "min-cpu", 0.1, "no limit is below, in cores")
	f.StringSliceVar(&r.policies, "policy", []string{"rightsize"}, "which policies, or all: "+contestants())
	f.StringVar(&r.format, "format", "", "table or json (default: as -o says)")
	f.StringVar(&r.pictures, "pictures", "", "folder for a picture of demand, limit and actions of each trace and policy")
	f.StringVar(&r.ending, "picture-format", "svg", "svg or png")
	f.StringVar(&r.target, "target", "", "replay what the agent has measured of this target")
	f.StringVar(&r.prometheus, "prometheus", "", "address of a Prometheus server, for --query")
	f.StringVar(&r.query, "query", "", "PromQL in cores, one series: of --prometheus, else of the agent")
	f.StringVar(&r.period, "period", "14d", "how far back, for --target and --query")
	f.StringVar(&r.prices, "prices", "", "file with a table of prices, as for capacity, for the cost of a month")
	return cmd
}

func contestants() string {
	var text strings.Builder
	for i, c := range sizing.Contestants() {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(c.Name + " (" + c.Says + ")")
	}
	return text.String()
}

func (r *replaying) run(cmd *cobra.Command, args []string) error {
	if r.format == "" {
		r.format = r.output
	}
	if r.format != "table" && r.format != "json" {
		return usageError{fmt.Errorf("--format %s: want table or json", r.format)}
	}
	if !slices.Contains(sizing.PictureFormats(), r.ending) {
		return usageError{fmt.Errorf("--picture-format %s: want svg or png", r.ending)}
	}
	if len(r.policies) == 0 {
		return usageError{errors.New("--policy: want one at least")}
	}
	if err := r.circumstances.Validate(); err != nil {
		return usageError{fmt.Errorf("replay: %w", err)}
	}
	chosen, err := sizing.ContestantsNamed(r.policies, r.own)
	if err != nil {
		return usageError{fmt.Errorf("--policy: %w", err)}
	}
	prices, err := r.priceTable()
	if err != nil {
		return err
	}
	var traces []replay.Trace
	for _, path := range args {
		t, err := sizing.ReadTrace(path, r.circumstances.Host)
		if err != nil {
			return err
		}
		for _, note := range t.Notes {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", t.Name, note)
		}
		traces = append(traces, distinct(t, traces))
	}
	if asked, err := r.recorded(cmd); err != nil {
		return err
	} else if asked != nil {
		traces = append(traces, distinct(*asked, traces))
	}
	return r.all(cmd, traces, chosen, prices)
}

// distinct is t by a name that no other has: files of one name may be in several folders.
func distinct(t replay.Trace, others []replay.Trace) replay.Trace {
	name := t.Name
	for n := 2; slices.ContainsFunc(others, func(o replay.Trace) bool { return o.Name == t.Name }); n++ {
		t.Name = fmt.Sprintf("%s-%d", name, n)
	}
	return t
}

// recorded asks for a recording, nil if none is wanted.
func (r *replaying) recorded(cmd *cobra.Command) (*replay.Trace, error) {
	name, query := r.target, r.query
	switch {
	case r.target != "" && r.query != "", r.prometheus != "" && r.query == "":
		return nil, usageError{errors.New("--target goes by itself, and --prometheus with --query")}
	case r.target != "":
		query = sizing.CPUDemand(r.target)
	case r.query != "":
		name = "query"
	default:
		return nil, nil
	}
	period, err := policy.ParseDuration(r.period)
	if err != nil {
		return nil, usageError{fmt.Errorf("--period: %w", err)}
	}
	var source sizing.Querier
	if r.prometheus != "" {
		source, err = sizing.Prometheus(r.prometheus)
		if err != nil {
			return nil, usageError{err}
		}
	} else {
		c, err := r.client()
		if err != nil {
			return nil, err
		}
		defer c.Close()
		source = c.Query()
	}
	t, err := sizing.Recorded(cmd.Context(), source, name, query, time.Now(), period)
	if err != nil {
		return nil, err
	}
	for _, note := range t.Notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", t.Name, note)
	}
	return &t, nil
}

// own finds a policy of agent.yaml, or the guide's.
func (r *replaying) own(name string) (sizing.Contestant, bool, error) {
	if name == "guide" {
		c, err := sizing.Guide()
		return c, true, err
	}
	cfg, err := r.load()
	if err != nil {
		return sizing.Contestant{}, false, err
	}
	c, ok := sizing.Configured(cfg, name)
	return c, ok, nil
}

func (r *replaying) priceTable() (*capacity.Prices, error) {
	if r.prices == "" {
		return nil, nil
	}
	p, err := sizing.ReadPrices(r.prices)
	return &p, err
}

// all runs every policy over every recording. Objects are written as they come; a table at the end.
func (r *replaying) all(cmd *cobra.Command, traces []replay.Trace, chosen []sizing.Contestant, prices *capacity.Prices) error {
	var scores []sizing.Score
	out := json.NewEncoder(cmd.OutOrStdout())
	for _, c := range chosen {
		for _, t := range traces {
			s, err := sizing.Replay(cmd.Context(), t, c, r.circumstances, prices)
			if err != nil {
				return err
			}
			scores = append(scores, s)
			if r.format == "json" {
				if err := out.Encode(s); err != nil {
					return err
				}
			}
			if err := r.draw(t, s); err != nil {
				return err
			}
		}
	}
	if r.format == "json" {
		return nil
	}
	if len(traces) > 1 {
		scores = append(scores, sizing.Means(scores)...)
	}
	return scoreTable(cmd.OutOrStdout(), scores)
}

func (r *replaying) draw(t replay.Trace, s sizing.Score) error {
	if r.pictures == "" {
		return nil
	}
	if err := os.MkdirAll(r.pictures, 0o755); err != nil {
		return fmt.Errorf("--pictures: %w", err)
	}
	name := filepath.Join(r.pictures, t.Name+"-"+s.Policy+"."+r.ending)
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--pictures: %w", err)
	}
	return errors.Join(sizing.Draw(f, name, t, s.Result), f.Close())
}

func scoreTable(w io.Writer, scores []sizing.Score) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "POLICY\tTRACE\tSLACK\tUNMET\tOVER\tACTIONS/DAY\tWEIGHTED\tREGRET\tCOST/MONTH")
	for _, s := range scores {
		cost := "-"
		if s.CostMonth != nil {
			cost = fmt.Sprintf("%.2f %s", *s.CostMonth, s.Currency)
		}
		fmt.Fprintf(table, "%s\t%s\t%.1f\t%.3f\t%.3f\t%.2f\t%.1f\t%.0f\t%s\n", s.Policy, s.Trace, s.Slack, s.Unmet, s.Over, s.ActionsPerDay, s.WeightedSlack, s.Regret, cost)
	}
	return table.Flush()
}
