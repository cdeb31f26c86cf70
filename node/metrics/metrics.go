package metrics

import (
	"context"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Options of Metrics. Zero values are defaults, but for DataDir.
type Options struct {
	// State asks the rooms of the node, at every reading and from many goroutines.
	State func() State
	// DataDir is what the sizes of files and the device are looked up of.
	DataDir string
	// DiskCeiling returns how many operations a second the device can do and who says so ("configured" or "measured"); zero: nobody.
	DiskCeiling func() (iops float64, source string)
	// Kind knows errors that this package cannot: those of package node.
	Kind func(error) (Kind, bool)
	// Root is where proc and sys are; "/".
	Root string
	Now  func() time.Time
}

func (o Options) diskCeiling() (float64, string) {
	if o.DiskCeiling == nil {
		return 0, ""
	}
	return o.DiskCeiling()
}

// runtimeMetrics are those of Go's runtime that tell what holds a node back beside its CPU: locks, the garbage collector, and goroutines
// that wait for a thread.
const runtimeMetrics = `^/(sync/mutex/wait/total:seconds|sched/latencies:seconds|cpu/classes/(total|idle|user|gc/total):cpu-seconds)$`

// Metrics is what the node measures. It serves /metrics.
type Metrics struct {
	opts     Options
	ops      *Operations
	machine  machine
	waiting  waiting
	surveyor surveyor
	history  history
	registry *prometheus.Registry
}

// New returns the metrics of a node and starts nothing.
func New(opts Options) *Metrics {
	if opts.Root == "" {
		opts.Root = "/"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	m := &Metrics{
		opts: opts, ops: newOperations(opts.Kind, opts.Now()),
		machine:  machine{opts.Root, opts.DataDir, processTime},
		surveyor: surveyor{dir: opts.DataDir, every: momentEvery},
		registry: prometheus.NewRegistry(),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(runtimeMetrics)})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{m.read, m.ops},
	)
	m.keep()
	return m
}

// Operations returns what counts and times operations.
func (m *Metrics) Operations() *Operations { return m.ops }

// Registry returns what Prometheus is told from, for others to add to.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Run keeps a moment every few seconds, of which rates are made, until ctx ends.
func (m *Metrics) Run(ctx context.Context) error {
	tick := time.NewTicker(momentEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.keep()
		}
	}
}

func (m *Metrics) keep() {
	m.history.keep(moment{m.opts.Now(), m.ops.tally(), m.machine.look()})
}
