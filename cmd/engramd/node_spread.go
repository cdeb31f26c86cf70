package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
)

// A spreading is how activation is to spread, as the flags say it.
type spreading struct {
	api.SpreadOptions
	activation, threshold float64
	limit                 int
}

func (s *spreading) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.limit, "limit", 20, "how many hits at most")
	f.IntVar(&s.Hops, "hops", 3, "how far, 1 to 10")
	f.IntVar(&s.FanOut, "fan-out", 16, "how many edges of a memory are followed, the strongest first")
	f.Float64Var(&s.threshold, "threshold", 0.01, "from which activation a memory sends")
	f.Float64Var(&s.Decay, "decay", 0.7, "what is left after a hop")
	f.Float64Var(&s.activation, "activation", 1, "of the seeds")
	f.BoolVar(&s.WithoutSeeds, "without-seeds", false, "leave the seeds out of the hits")
}

func (s *spreading) options() api.SpreadOptions {
	s.Threshold = &s.threshold
	return s.SpreadOptions
}

func (s *spreading) seeds(ids []string) []api.Seed {
	var seeds []api.Seed
	for _, id := range ids {
		seeds = append(seeds, api.Seed{ID: id, Activation: &s.activation})
	}
	return seeds
}

func newNodeSpread(o *options) *cobra.Command {
	n, s := &nodeAsk{options: o}, &spreading{}
	cmd := &cobra.Command{
		Use:   "spread ID...",
		Short: "Let activation spread from memories, and show what it reaches",
		Long:  `Let activation spread from seeds over the edges, and show what it reaches, strongest first. It writes nothing.`,
		Args:  some("ids of memories to begin with"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			in := api.SpreadRequest{Space: n.space, Seeds: s.seeds(ids), Limit: s.limit, SpreadOptions: s.options()}
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Spreading, error) { return c.Spread(ctx, in) }, view.Spreading)
		},
	}
	s.flags(cmd)
	n.within(cmd)
	return cmd
}
