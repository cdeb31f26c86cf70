package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/policy/capacity"
)

// A figure is one line of a part's answer.
type figure struct{ what, value string }

// part makes the command of one of the second guide's components.
func part[T any](o *options, use, short string, flags func(cmd *cobra.Command), size func(capacity.Components) (T, error), text func(T) []figure) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: exactly(0, "no arguments; the numbers are flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := size(capacity.DefaultComponents())
			if err != nil {
				return impossible(err)
			}
			return o.print(cmd.OutOrStdout(), answer, func(w io.Writer) error {
				t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
				for _, f := range text(answer) {
					fmt.Fprintf(t, "%s\t%s\n", f.what, f.value)
				}
				return t.Flush()
			})
		},
	}
	flags(cmd)
	return cmd
}

func newCapacityVectors(o *options) *cobra.Command {
	var v capacity.Vectors
	return part(o, "vectors", "A vector store such as Qdrant: memory, nodes, shards", func(cmd *cobra.Command) {
		f := cmd.Flags()
		f.Float64Var(&v.Count, "count", 1e6, "how many vectors")
		f.Float64Var(&v.Dimension, "dimension", 768, "floats in each")
		f.Float64Var(&v.PayloadBytes, "payload-bytes", 0, "bytes beside each")
		f.Float64Var(&v.Copies, "copies", 2, "replication factor")
		f.Float64Var(&v.NodeMemoryBytes, "node-memory-bytes", 16<<30, "memory of one node")
		f.Float64Var(&v.Shards, "shards", 0, "shards wanted at least")
	}, func(c capacity.Components) (capacity.VectorStore, error) { return c.VectorStore(v) }, func(s capacity.VectorStore) []figure {
		return []figure{{"a copy", bytesText(s.CopyBytes)}, {"all copies", bytesText(s.TotalBytes)}, {"nodes", fmt.Sprint(s.Nodes)}, {"shards", fmt.Sprint(s.Shards)}, {"memory of a node", bytesText(s.NodeBytes)}}
	})
}

func newCapacityDatabase(o *options) *cobra.Command {
	var v capacity.Tables
	return part(o, "postgres", "PostgreSQL: bytes on disk", func(cmd *cobra.Command) {
		f := cmd.Flags()
		f.Float64Var(&v.Rows, "rows", 1e6, "how many rows")
		f.Float64Var(&v.ColumnBytes, "column-bytes", 200, "bytes of a row's columns")
		f.Float64Var(&v.IndexBytes, "index-bytes", 100, "bytes of a row in all indexes")
		f.Float64Var(&v.Copies, "copies", 2, "the primary and its replicas")
	}, func(c capacity.Components) (capacity.Database, error) { return c.Database(v) }, func(d capacity.Database) []figure {
		return []figure{{"a copy", bytesText(d.CopyBytes)}, {"all copies", bytesText(d.TotalBytes)}}
	})
}

func newCapacityCache(o *options) *cobra.Command {
	var v capacity.Keys
	return part(o, "redis", "Redis: memory of each server", func(cmd *cobra.Command) {
		f := cmd.Flags()
		f.Float64Var(&v.Count, "keys", 1e6, "how many keys")
		f.Float64Var(&v.KeyBytes, "key-bytes", 40, "bytes of a key")
		f.Float64Var(&v.ValueBytes, "value-bytes", 200, "bytes of a value")
		f.Float64Var(&v.Replicas, "replicas", 1, "replicas of each primary")
		f.Float64Var(&v.Primaries, "primaries", 3, "primaries")
	}, func(c capacity.Components) (capacity.Cache, error) { return c.Cache(v) }, func(s capacity.Cache) []figure {
		return []figure{{"all servers", bytesText(s.TotalBytes)}, {"servers", fmt.Sprint(s.Servers)}, {"maxmemory of one", bytesText(s.MaxMemory)}, {"its limit", bytesText(s.Limit)}}
	})
}

func newCapacityLoad(o *options) *cobra.Command {
	var v capacity.Load
	return part(o, "load", "Cores for queries and writes, and how many memories there will be", func(cmd *cobra.Command) {
		f := cmd.Flags()
		f.Float64Var(&v.MemoriesPerDay, "memories-per-day", 10000, "new memories a day")
		f.Float64Var(&v.KeptDays, "kept-days", 365, "how long each is kept")
		f.Float64Var(&v.Queries, "queries", 100, "queries a second at the peak")
		f.Float64Var(&v.QuerySeconds, "seconds-per-query", 0.005, "of a core")
		f.Float64Var(&v.Writes, "writes", 10, "writes a second at the peak")
		f.Float64Var(&v.WriteSeconds, "seconds-per-write", 0.01, "of a core")
	}, func(c capacity.Components) (capacity.Demand, error) { return c.Demand(v) }, func(d capacity.Demand) []figure {
		return []figure{{"memories", fmt.Sprint(d.Memories)}, {"busy cores", fmt.Sprintf("%.2f", d.Busy)}, {"cores", fmt.Sprintf("%.2f", d.Cores)}}
	})
}
