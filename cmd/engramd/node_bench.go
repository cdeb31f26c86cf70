package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/load"
	"github.com/engramd/engramd/policy"
)

// A benchRun is what node bench is told.
type benchRun struct {
	load.Options
	sizes, spreadSizes string
	memoryLimit        string
	json               bool
	worker             bool
}

func newNodeBench(o *options) *cobra.Command {
	b := &benchRun{}
	var about strings.Builder
	for _, name := range load.Names() {
		fmt.Fprintf(&about, "  %-10s %s\n", name, load.Describe(name))
	}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a memory node on this machine, and hold it against its bounds",
		Long: `Make nodes of chosen sizes in a temporary directory, measure them, and say which bounds of
docs/benchmarks.md they meet. Whatever can be compared is compared in the same run, in turns:
ratio_to says with what. Numbers are worth something on a machine that does nothing else.

` + about.String() + `
Exit code 0 unless something could not be measured: a bound that is not met is a result.`,
		Example: "  engramd node bench --only spread,get --memories 10000,100000,1000000 --spread-memories 5000000\n  engramd node bench --json --duration 30s > bench.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			out := load.Table(cmd.OutOrStdout())
			if b.json || b.worker || o.output == "json" {
				out = load.JSON(cmd.OutOrStdout())
			}
			if b.worker {
				return load.Work(cmd.Context(), first(args), out)
			}
			if len(args) > 0 {
				return usageError{fmt.Errorf("node bench: want flags only, got %q", args)}
			}
			if err := b.complete(cmd.ErrOrStderr()); err != nil {
				return usageError{err}
			}
			return errors.Join(load.Run(cmd.Context(), b.Options, out.Print), out.Flush())
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&b.Only, "only", nil, "what to measure, with commas between (default: everything)")
	flags.StringVar(&b.sizes, "memories", "1000000", "numbers of memories, with commas between")
	flags.StringVar(&b.spreadSizes, "spread-memories", "", "further numbers of memories, for spreads only")
	flags.IntVar(&b.Degree, "degree", 10, "edges that leave from each memory")
	flags.IntVar(&b.ContentBytes, "content-bytes", 200, "content of each memory")
	flags.IntVar(&b.Vectors, "vectors", 100_000, "memories with a vector, for searches")
	flags.IntVar(&b.Dimension, "dimension", 768, "numbers in a vector")
	flags.DurationVar(&b.Duration, "duration", 0, "how long each thing is measured (default 10s)")
	flags.DurationVar(&b.SustainedFor, "sustained", 0, "how long the long write takes (default 60s)")
	flags.DurationVar(&b.SyncDelay, "sync-delay", 0, "how much longer each sync of the log takes, and of the bare loop; for a disk that answers out of its cache")
	flags.StringVar(&b.memoryLimit, "memory-limit", "", "GOMEMLIMIT while memory is measured, as 700Mi")
	flags.Uint64Var(&b.Seed, "seed", 1, "what memories and edges are made of")
	flags.StringVar(&b.Dir, "dir", "", "where to make the nodes (default: the system's directory for temporary files)")
	flags.BoolVar(&b.json, "json", false, "one JSON object a line")
	flags.BoolVar(&b.worker, "worker", false, "")
	if err := flags.MarkHidden("worker"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

// complete reads what flags say in words.
func (b *benchRun) complete(log io.Writer) (err error) {
	if b.Sizes, err = numbers("--memories", b.sizes); err != nil {
		return err
	}
	if b.SpreadSizes, err = numbers("--spread-memories", b.spreadSizes); err != nil {
		return err
	}
	if b.memoryLimit != "" {
		q, err := policy.ParseQuantity(policy.Memory, b.memoryLimit)
		bytes, some := q.Amount()
		if err != nil || !some {
			return fmt.Errorf("--memory-limit %s: want bytes such as 700Mi or 1GB", b.memoryLimit)
		}
		b.MemoryLimit = bytes
	}
	self, err := exec.LookPath(os.Args[0]) // not os.Executable: who follows links runs engram-server, or a test, by another name
	if err != nil {
		return fmt.Errorf("find this program, to start it as a worker: %w", err)
	}
	b.Self = []string{self, "node", "bench", "--worker"}
	b.Logger = slog.New(slog.NewTextHandler(log, nil))
	return b.Validate()
}

func numbers(flag, text string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.ReplaceAll(strings.TrimSpace(part), "_", ""); part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("%s %s: want numbers with commas between", flag, text)
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
