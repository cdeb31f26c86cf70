package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
)

func newNodeRecall(o *options) *cobra.Command {
	n, s, f := &nodeAsk{options: o}, &spreading{}, &filtering{}
	in := api.RecallRequest{}
	var vector string
	learn := true
	cmd := &cobra.Command{
		Use:   "recall [ID...]",
		Short: "Recall what is linked with memories, near to a vector, or both",
		Long: `Recall memories: those that activation reaches from the ids, those whose vectors are nearest to a
vector, or both, where the nearest are seeds, too. A recall counts as an access and strengthens the
edges that were used, unless --learn=false.`,
		Example: "  engramd node recall kettle --tag kitchen --limit 5\n  echo '[0.1, 0.7, 0.2]' | engramd node recall --vector - --learn=false",
		RunE: func(cmd *cobra.Command, ids []string) (err error) {
			if len(ids) == 0 && vector == "" {
				return usageError{errors.New("recall: want ids of memories to begin with, or --vector; see engramd node recall --help")}
			}
			if in.Vector, err = readVector(vector, cmd.InOrStdin()); err != nil {
				return err
			}
			if in.Filter, err = f.filter(time.Now()); err != nil {
				return err
			}
			in.Space, in.Seeds, in.Limit, in.SpreadOptions, in.Learn = n.space, s.seeds(ids), s.limit, s.options(), &learn
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Recollection, error) { return c.Recall(ctx, in) }, view.Recollection)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&vector, "vector", "", "file with a vector, as [0.1, 0.2, ...]; - is the standard input")
	flags.StringVar(&in.Metric, "metric", "cosine", "what near is: cosine or dot")
	flags.BoolVar(&in.Direct, "direct", false, "only the ids and what is near: no activation spreads")
	flags.BoolVar(&learn, "learn", true, "count accesses and strengthen the edges that were used")
	s.flags(cmd)
	f.flags(cmd)
	n.within(cmd)
	return cmd
}

// maxVectorFile bounds what is read of a vector.
const maxVectorFile = 1 << 20

// readVector reads a list of numbers.
func readVector(name string, stdin io.Reader) (v api.Vector, err error) {
	switch name {
	case "":
		return nil, nil
	case "-":
	default:
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the vector: %w", err)
		}
		defer f.Close()
		stdin = f
	}
	text, err := io.ReadAll(io.LimitReader(stdin, maxVectorFile))
	if err != nil {
		return nil, fmt.Errorf("read the vector: %w", err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, usageError{fmt.Errorf("--vector %s: want a list of numbers as [0.1, 0.2]: %w", name, err)}
	}
	return v, nil
}
