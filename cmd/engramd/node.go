package main

import "github.com/spf13/cobra"

func newNode(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run a memory node, and use one",
		Long: `A memory node keeps memories that are linked into a graph, in hot, warm and cold tiers, durable
when acknowledged, recalled by spreading activation. The agent runs one of its own where
agent.yaml says node.enabled; engramd node serve runs one alone. All other commands go over
the API of a node that runs, embedded or not.`,
	}
	cmd.AddCommand(
		newNodeServe(), newNodeStats(o), newNodeImport(o), newNodeExport(o), newNodeSnapshot(o), newNodeEvict(o),
		newNodeSpread(o), newNodeRecall(o), newNodeCompact(o), newNodeSpaces(o), newNodeBench(o),
	)
	return cmd
}
