// Command replay writes the report of docs/sizing.md: the product's policy and every baseline over the
// recordings that it is given, with pictures. One baseline is the Vertical Pod Autoscaler's own recommender,
// and so this is a module of its own: the product does not carry Kubernetes' autoscaler.
//
//	go run . --docs ../../docs TRACE...
//
// Without --docs it writes one JSON object a trace and policy, with the keys of engramd replay --format json.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/replay"
)

func main() {
	var o replay.Options
	flag.Float64Var(&o.Host, "host-cpu", 16, "cores of the host")
	flag.Float64Var(&o.Start, "start", 4, "the limit at the beginning, in cores")
	flag.Float64Var(&o.Min, "min-cpu", 0.1, "no limit is below, in cores")
	docs := flag.String("docs", "", "folder of sizing.md")
	flag.Parse()
	if err := run(*docs, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(docs string, o replay.Options, paths []string) error {
	if len(paths) == 0 {
		return errors.New("want at least one recording")
	}
	var traces []replay.Trace
	for _, path := range paths {
		t, err := sizing.ReadTrace(path, o.Host)
		if err != nil {
			return err
		}
		traces = append(traces, t)
	}
	var scores []sizing.Score
	guide, err := sizing.Guide()
	if err != nil {
		return err
	}
	for _, c := range append(sizing.Contestants(), autoscaler(), guide) {
		for _, t := range traces {
			s, err := sizing.Replay(context.Background(), t, c, o, nil)
			if err != nil {
				return err
			}
			scores = append(scores, s)
		}
	}
	if docs != "" {
		return report(docs, traces, scores)
	}
	out := json.NewEncoder(os.Stdout)
	for _, s := range scores {
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return nil
}
