package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// A bench measures one thing.
type bench struct {
	name  string
	what  string
	sizes bool // it is run for each size
	reads bool // it reads the memories and edges that are made once a size
	run   func(context.Context, *job) error
}

// benches returns all in the order in which they run: what spoils the memories that others read comes last.
func benches() []bench {
	return []bench{
		{"remember", "durable remember through the Go API against a bare loop", false, false, benchRemember},
		{"sustained", "durable remember by 128 writers for long", false, false, benchSustained},
		{"http", "durable remember over HTTP by 64 connections", false, false, benchHTTP},
		{"vectors", "exact nearest vectors against summing the same bytes", false, false, benchVectors},
		{"import", "bulk import of lines over HTTP, until all are durable", true, false, benchImport},
		{"spread", "spreads of three hops against a bare loop", true, true, benchSpread},
		{"get", "reads by tier, alone and beside a snapshot or a sweep", true, true, benchGet},
		{"pinning", "spreads by workers that are kept to their cores, against as many that are not", true, true, benchPinning},
		{"memory", "what the process takes of memory", true, true, benchMemory},
		{"recall", "recalls of 20 hits, alone and beside a sweep of everything", true, true, benchRecall},
		{"restart", "from start to first answer, after a clean end and after SIGKILL", true, true, benchRestart},
	}
}

// helpers returns what processes of their own do for benches.
func helpers() []bench {
	return []bench{
		{name: "make", sizes: true, run: makeMemories},
		{name: "open", run: openMemories},
		{name: "fill", run: fillMemtable},
	}
}

// Names returns the names of all benches.
func Names() []string {
	names := make([]string, len(benches()))
	for i, b := range benches() {
		names[i] = b.name
	}
	return names
}

// Describe returns what the bench of this name measures.
func Describe(name string) string {
	for _, b := range benches() {
		if b.name == name {
			return b.what
		}
	}
	return ""
}

// Run measures, and hands every result to print. The error says what could not be measured; all else was.
func Run(ctx context.Context, o Options, print func(Result) error) error {
	if err := o.Validate(); err != nil {
		return err
	}
	o = o.withDefaults()
	dir, err := os.MkdirTemp(o.Dir, "engramd-bench-")
	if err != nil {
		return fmt.Errorf("make room for the benches: %w", err)
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	r := runner{o: o, print: print}
	for _, size := range o.Sizes {
		r.size(ctx, size, func(b bench) bool { return b.sizes })
		os.RemoveAll(memoriesDir(o.Dir, size))
	}
	if len(o.Only) > 0 && !slices.Contains(o.Only, "spread") {
		o.SpreadSizes = nil
	}
	for _, size := range o.SpreadSizes {
		r.do(ctx, &job{Bench: "spread", Memories: size, GraphOnly: true})
	}
	r.size(ctx, o.Sizes[len(o.Sizes)-1], func(b bench) bool { return !b.sizes })
	return errors.Join(append(r.errs, context.Cause(ctx))...) // what was cut short was not measured
}

type runner struct {
	o     Options
	print func(Result) error
	errs  []error
}

// size runs the benches that are asked for and wanted for one size.
func (r *runner) size(ctx context.Context, size int, want func(bench) bool) {
	made := false
	for _, b := range benches() {
		if !want(b) || len(r.o.Only) > 0 && !slices.Contains(r.o.Only, b.name) {
			continue
		}
		if b.reads && !made {
			made = true
			r.do(ctx, &job{Bench: "make", Memories: size})
		}
		r.do(ctx, &job{Bench: b.name, Memories: size})
	}
}

func (r *runner) do(ctx context.Context, j *job) {
	if ctx.Err() != nil {
		return
	}
	j.Options, j.print = r.o, r.print
	r.o.Logger.Info("bench begins", "bench", j.Bench, "memories", j.Memories)
	if err := j.start(ctx); err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s of %d memories: %w", j.Bench, j.Memories, err))
	}
}
