package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
)

// sixNumbers are the guide's arguments, in its order, and the flags that say the same.
var sixNumbers = []string{"nodes", "active-ratio", "edges-per-node", "ops-per-sec", "retention-days", "consolidation-interval"}

// negative is what the flags say of a negative number among the arguments.
var negative = regexp.MustCompile(`unknown shorthand flag: '[0-9.]' in -`)

// A planning is what the command was told.
type planning struct {
	node     *nodeAsk
	workload capacity.Workload
	model    string
	shape    capacity.Shape
	set      []string
	measure  string
	prices   string
	snippet  string
	name     string
	explain  bool
	perDay   float64
	memory   string
	disk     string
}

// A capacityReport is what it answers.
type capacityReport struct {
	capacity.Estimate
	Constants   map[string]capacity.Constant `json:"constants"`
	Differences []capacity.Difference        `json:"differences_from_guide,omitempty"`
	Suggestion  *capacity.Suggestion         `json:"suggestion,omitempty"`
	Cost        *capacity.Cost               `json:"cost_per_month,omitempty"`
	Growth      []sizing.Projection          `json:"growth,omitempty"`
	Exhaustion  []sizing.Exhaustion          `json:"exhaustion,omitempty"`
	Snippet     string                       `json:"snippet,omitempty"`
}

func newCapacity(o *options) *cobra.Command {
	p := &planning{node: &nodeAsk{options: o}}
	cmd := &cobra.Command{
		Use:   "capacity [NODES ACTIVE_RATIO EDGES_PER_NODE OPS_PER_SEC RETENTION_DAYS CONSOLIDATION_INTERVAL_S [WORKLOAD]]",
		Short: "Say what a memory node will need: cores, memory, storage, IOPS, network, money",
		Long: `Estimate from six numbers, in the scaling guide's order or as flags, what a memory node needs.

--model corrected (the default) has the constants of this node, guide those of the guide's calculator, faults
included; --measure URL replaces what a running node shows; --set NAME=VALUE what you know better. --constants lists
every constant with its unit and source.`,
		Example: `  engramd capacity 1000000 0.1 50 5000 30 300
  engramd capacity --nodes 1000000 --ops-per-sec 500 --workload read-heavy --snippet compose
  engramd capacity 1000000 0.1 50 5000 30 300 --measure http://127.0.0.1:7432 --memories-per-day 20000 --disk 500Gi`,
		Args: p.arguments,
		RunE: p.run,
	}
	f := cmd.Flags()
	f.Float64Var(&p.workload.Memories, "nodes", 1e6, "how many memories")
	f.Float64Var(&p.workload.ActiveRatio, "active-ratio", 0.1, "the share of them that is hot, 0 to 1")
	f.Float64Var(&p.workload.EdgesPerMemory, "edges-per-node", 10, "edges from each")
	f.Float64Var(&p.workload.OpsPerSec, "ops-per-sec", 1000, "reads and writes a second")
	f.Float64Var(&p.workload.RetentionDays, "retention-days", 30, "how long the log is kept")
	f.Float64Var(&p.workload.ConsolidationInterval, "consolidation-interval", 300, "seconds from one consolidation to the next")
	f.StringVar(&p.workload.Profile, "workload", "mixed", profileNames())
	f.StringVar(&p.model, "model", "corrected", "whose constants: corrected or guide")
	f.Float64Var(&p.shape.ContentBytes, "content-bytes", 0, "mean size of a memory's content (default: the model's)")
	f.Float64Var(&p.shape.Dimension, "vector-dim", 768, "dimension of the vectors, 0 for none")
	f.StringArrayVar(&p.set, "set", nil, "another value for a constant, as NAME=VALUE")
	f.StringVar(&p.measure, "measure", "", "the address of a running node whose figures replace constants")
	f.StringVar(&p.prices, "prices", "", "file with a table of prices: currency, core_per_month, memory_gib_per_month, storage_gib_per_month, network_gib, instances")
	f.StringVar(&p.snippet, "snippet", "", "print the size for a platform instead: kubernetes, compose or systemd")
	f.StringVar(&p.name, "name", "engram", "the name of the container or service in the snippet")
	f.BoolVar(&p.explain, "constants", false, "list every constant with its source")
	f.Float64Var(&p.perDay, "memories-per-day", 0, "growth, for a projection and the days to exhaustion")
	f.StringVar(&p.memory, "memory", "", "memory there is, as 16Gi: when will it not do?")
	f.StringVar(&p.disk, "disk", "", "storage there is, as 500Gi: when will it not do?")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if negative.MatchString(err.Error()) {
			err = fmt.Errorf("capacity: %w: a negative number; each is 0 or more", capacity.ErrImpossible)
		}
		return usageError{err}
	})
	cmd.AddCommand(newCapacityVectors(o), newCapacityDatabase(o), newCapacityCache(o), newCapacityLoad(o))
	return cmd
}

func profileNames() string {
	var names []string
	for _, p := range capacity.Profiles() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// arguments reads the guide's positional numbers over the flags' values.
func (p *planning) arguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if len(args) != len(sixNumbers) && len(args) != len(sixNumbers)+1 {
		return usageError{fmt.Errorf("capacity: want six numbers (%s) and perhaps a workload, got %d arguments; see engramd capacity --help",
			strings.Join(sixNumbers, ", "), len(args))}
	}
	for i, into := range []*float64{
		&p.workload.Memories, &p.workload.ActiveRatio, &p.workload.EdgesPerMemory,
		&p.workload.OpsPerSec, &p.workload.RetentionDays, &p.workload.ConsolidationInterval,
	} {
		if cmd.Flags().Changed(sixNumbers[i]) {
			return usageError{fmt.Errorf("capacity: %s is given twice: as argument %d and as --%[1]s", sixNumbers[i], i+1)}
		}
		v, err := strconv.ParseFloat(args[i], 64)
		if err != nil {
			return usageError{fmt.Errorf("capacity: %s: %q is not a number", sixNumbers[i], args[i])}
		}
		*into = v
	}
	if len(args) > len(sixNumbers) {
		p.workload.Profile = args[len(sixNumbers)]
	}
	return nil
}

func (p *planning) run(cmd *cobra.Command, _ []string) error {
	m, err := p.modelFor(cmd)
	if err != nil {
		return impossible(err)
	}
	r := capacityReport{Constants: m.Constants()}
	if r.Estimate, err = m.Estimate(p.workload); err != nil {
		return impossible(err)
	}
	if m.Name != "guide" {
		r.Differences = capacity.Differences(capacity.Guide(), m)
	}
	if err := p.grow(&r, m); err != nil {
		return impossible(err)
	}
	if err := p.price(&r); err != nil {
		return err
	}
	if p.snippet == "" {
		return p.node.print(cmd.OutOrStdout(), r, func(w io.Writer) error { return capacityText(w, r, p.explain) })
	}
	if r.Snippet, err = sizing.Snippet(p.snippet, p.name, r.Size()); err != nil {
		return usageError{fmt.Errorf("--snippet: %w", err)}
	}
	return p.node.print(cmd.OutOrStdout(), r, func(w io.Writer) error {
		_, err := io.WriteString(w, r.Snippet)
		return err
	})
}

// impossible makes input that no node can have a fault of the command line.
func impossible(err error) error {
	if errors.Is(err, capacity.ErrImpossible) {
		return usageError{err}
	}
	return err
}

// modelFor puts the constants together: the model's, what a node shows, what was set.
func (p *planning) modelFor(cmd *cobra.Command) (capacity.Model, error) {
	var m capacity.Model
	f := cmd.Flags()
	shaped := f.Changed("content-bytes") || f.Changed("vector-dim")
	switch p.model {
	case "guide":
		m = capacity.Guide()
		if shaped {
			return m, usageError{errors.New("--content-bytes and --vector-dim go with --model corrected: the guide's calculator has no such number; --set hot_bytes=N changes what it has")}
		}
	case "corrected":
		m = capacity.Corrected()
		if shaped {
			if err := p.possible(); err != nil {
				return m, usageError{err}
			}
			m = capacity.CorrectedFor(p.shape)
		}
	default:
		return m, usageError{fmt.Errorf("--model %s: want corrected or guide", p.model)}
	}
	if p.measure != "" {
		measured, err := p.measured(cmd, m)
		if err != nil {
			return m, err
		}
		m = measured
	}
	for _, text := range p.set {
		name, value, ok := strings.Cut(text, "=")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			return m, usageError{fmt.Errorf("--set %s: want NAME=VALUE, a number", text)}
		}
		if m, err = m.With(name, v, "--set"); err != nil {
			return m, usageError{fmt.Errorf("--set %s: %w", text, err)}
		}
	}
	return m, nil
}

// possible refuses a memory that cannot be, by the names of the flags.
func (p *planning) possible() error {
	for flag, v := range map[string]float64{"content-bytes": p.shape.ContentBytes, "vector-dim": p.shape.Dimension} {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("--%s %v: %w: want a number of 0 or more", flag, v, capacity.ErrImpossible)
		}
	}
	return nil
}

func (p *planning) measured(cmd *cobra.Command, m capacity.Model) (capacity.Model, error) {
	p.node.url = p.measure
	c, err := p.node.client()
	if err != nil {
		return m, err
	}
	defer c.Close()
	shown, err := sizing.MeasureNode(cmd.Context(), c, p.measure)
	if err != nil {
		return m, advised(err)
	}
	return shown.Apply(m)
}

// grow projects the growth, and says when what there is will not do.
func (p *planning) grow(r *capacityReport, m capacity.Model) error {
	g := sizing.Growth{MemoriesPerDay: p.perDay}
	for _, one := range []struct {
		flag, text string
		into       *float64
	}{{"memory", p.memory, &g.Memory}, {"disk", p.disk, &g.Disk}} {
		if one.text == "" {
			continue
		}
		q, err := policy.ParseQuantity(policy.Memory, one.text)
		n, limited := q.Amount()
		if err != nil || !limited || n == 0 {
			return usageError{fmt.Errorf("--%s %s: want an amount of bytes such as 16Gi", one.flag, one.text)}
		}
		*one.into = float64(n)
	}
	var err error
	r.Growth, r.Exhaustion, err = sizing.Project(m, p.workload, g)
	return err
}

func (p *planning) price(r *capacityReport) error {
	if p.prices == "" {
		return nil
	}
	prices, err := sizing.ReadPrices(p.prices)
	if err != nil {
		return err
	}
	cost := prices.OfSize(r.Size())
	r.Cost = &cost
	if len(prices.Instances) == 0 {
		return nil
	}
	s, err := prices.Suggest(r.Estimate)
	if err != nil {
		r.Warnings = append(r.Warnings, err.Error())
		return nil
	}
	r.Suggestion = &s
	return nil
}
