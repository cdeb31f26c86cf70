package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/sizing"
)

// A benching is what the command was told.
type benching struct {
	node    *nodeAsk
	bench   sizing.Bench
	url     string
	method  string
	headers []string
	body    string
	target  string
	metrics string
	cores   float64
}

func newBenchTarget(o *options) *cobra.Command {
	b := &benching{node: &nodeAsk{options: o}}
	cmd := &cobra.Command{
		Use:   "bench-target",
		Short: "Load a target for half a minute, and save what engramd compare reads",
		Long: `Load a target in equal samples and print a JSON object with the scaling guide's keys: cpu_usage (per cent of what the target may
use), p99_latency (milliseconds) and ops_per_sec, the medians, and the samples themselves.

Without --request-url the target is a memory node, and the load is activation that spreads from its memories. With --rate the latency of a request
counts from when it was due, so that a target which stalls cannot hide it.

The CPU is read from the node's metrics, from those at --metrics, or for --target from the agent, which measures once an interval: the samples
should be longer than that.`,
		Example: `  engramd bench-target > before.json
  engramd bench-target --request-url http://127.0.0.1:8080/ --target web --samples 10 --length 30s > before.json
  engramd compare before.json after.json`,
		Args: exactly(0, "no arguments"),
		RunE: b.run,
	}
	b.node.within(cmd)
	f := cmd.Flags()
	f.StringVar(&b.url, "request-url", "", "load this address instead of a memory node")
	f.StringVar(&b.method, "method", "GET", "of the request")
	f.StringArrayVar(&b.headers, "header", nil, "of the request, as 'Name: value'")
	f.StringVar(&b.body, "body-file", "", "file with the body of the request")
	f.IntVar(&b.bench.Samples, "samples", 10, "how many samples; five at least tell a difference from noise")
	f.DurationVar(&b.bench.Length, "length", 3*time.Second, "how long one is")
	f.DurationVar(&b.bench.Warmup, "warmup", 2*time.Second, "how long to load before the first")
	f.IntVar(&b.bench.Workers, "concurrency", 8, "requests at once at most")
	f.Float64Var(&b.bench.Rate, "rate", 0, "requests a second (default: the next when the last was answered)")
	f.StringVar(&b.target, "target", "", "the agent's target whose CPU is meant")
	f.StringVar(&b.metrics, "metrics", "", "address of Prometheus metrics with process_cpu_seconds_total, whose CPU is meant")
	f.Float64Var(&b.cores, "cores", 0, "how many cores that may use, where its metrics do not say")
	return cmd
}

func (b *benching) run(cmd *cobra.Command, _ []string) error {
	if err := b.bench.Validate(); err != nil {
		return usageError{err}
	}
	if !(b.cores >= 0) {
		return usageError{fmt.Errorf("--cores %v: want a number of 0 or more", b.cores)}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: b.bench.Workers, IdleConnTimeout: time.Minute}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	if err := b.load(cmd, client); err != nil {
		return err
	}
	if err := b.cpu(client); err != nil {
		return err
	}
	b.bench.Told = func(n int, ops, p99 float64) {
		fmt.Fprintf(cmd.ErrOrStderr(), "sample %d of %d: %.0f a second, p99 %.2f ms\n", n, b.bench.Samples, ops, p99)
	}
	result, err := b.bench.Run(cmd.Context())
	if err != nil {
		return advised(err)
	}
	if result.NoCPU != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "cpu_usage is missing: "+result.NoCPU)
	}
	if result.Errors > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d requests failed, such as: %s\n", result.Errors, result.Requests, result.FirstError)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(result)
}

// load chooses what is requested.
func (b *benching) load(cmd *cobra.Command, client *http.Client) error {
	if b.url == "" {
		c, err := b.node.client()
		if err != nil {
			return err
		}
		b.bench.Request, err = sizing.NodeRequest(cmd.Context(), c, b.node.space)
		if b.metrics == "" && b.target == "" {
			b.metrics = strings.TrimRight(b.node.url, "/") + "/metrics"
		}
		return advised(err)
	}
	if u, err := url.Parse(b.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usageError{fmt.Errorf("--request-url %s: want an address such as http://127.0.0.1:8080/", b.url)}
	}
	header := http.Header{}
	for _, text := range b.headers {
		name, value, ok := strings.Cut(text, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return usageError{fmt.Errorf("--header %q: want 'Name: value'", text)}
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	var body []byte
	if b.body != "" {
		var err error
		if body, err = os.ReadFile(b.body); err != nil {
			return fmt.Errorf("--body-file: %w", err)
		}
	}
	b.bench.Request = sizing.HTTPRequest(client, strings.ToUpper(b.method), b.url, header, body)
	return nil
}

// cpu chooses who says how much CPU the target uses.
func (b *benching) cpu(client *http.Client) error {
	switch {
	case b.target != "" && b.metrics != "":
		return usageError{errors.New("--target and --metrics: give one of them")}
	case b.target != "":
		c, err := b.node.options.client()
		if err != nil {
			return err
		}
		b.bench.CPU = sizing.CPUFromAgent(c.Query(), b.target)
	case b.metrics != "":
		b.bench.CPU = sizing.CPUFromMetrics(client, b.metrics, b.cores)
	}
	return nil
}
