package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/agent/journal/hostlock"
	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// Options are what an agent is made of.
type Options struct {
	Config *config.Config
	// Reread reads the configuration again, for a reload.
	Reread   func() (*config.Config, error)
	Registry actuators.Registry
	Version  string
	// Memory is the memory policy of the process, for the embedded node; see nodehost.Prepare.
	Memory threads.MemoryPolicy
	Log    *slog.Logger
	// LockDir is where host locks are; "" is the place that every agent on the host agrees on.
	LockDir string
	// Diagnose is used for a growth without effect; nil is the agent's own short look.
	Diagnose func(ctx context.Context, a actuators.Action) string
}

// An Agent is one engramd at work.
type Agent struct {
	opts    Options
	log     *slog.Logger
	started time.Time

	registry *prometheus.Registry
	metrics  *events.Metrics
	sink     teller
	recorder *recorder
	journal  *journal.Journal
	// holder is what platforms' locks call this agent: the same for as long as its data_dir lasts.
	holder   string
	executor *actuators.Executor
	drivers  map[string]actuators.Driver
	locks    hostlock.Dir
	capacity cgroup.Capacity
	topology policy.Topology // without nodes where it could not be read

	senses senses
	alerts alerts
	// collect has the samples of a configuration and of the loop's targets collected.
	collect func(telemetry.Config) error
	// recorded answers what was measured over time, for reports.
	recorded sizing.Querier
	// endpoints lists what is scraped.
	endpoints func() []telemetry.Endpoint
	listener  net.Listener // of the API
	node      embedded
	// transport carries drain, health and smoke requests; nil is the default.
	transport http.RoundTripper

	// parts run beside the loop until the agent stops.
	parts []part
	loop  *loop
	// interval is how often is measured, for those who are not the loop.
	interval atomic.Int64
	claims   claims
	inbox    inbox
	closer   teardown
	// reloading lets one reload happen at a time.
	reloading sync.Mutex
}

// senses are what the agent knows of the world through: signals by PromQL, use by the collectors.
type senses interface {
	actuators.Querier
	actuators.Meter
	ReadBy(ctx context.Context, expr, label string, at time.Time) map[string]policy.Reading
}

// alerts are the Prometheus rules that are evaluated beside the policies.
type alerts interface {
	Alerts() []rules.Alert
	Update(files []*rules.File) error
}

// A teller takes events to whoever wants to hear of them.
type teller interface {
	actuators.EventSink
	Run(ctx context.Context) error
	Reload(cfg events.Config) error
}

// An emitFunc is an event sink made of a function.
type emitFunc func(policy.Event)

// Emit implements [actuators.EventSink].
func (f emitFunc) Emit(e policy.Event) { f(e) }

// A part is something that runs as long as the agent does.
type part struct {
	name string
	run  func(context.Context) error
}

// New opens everything an agent needs and starts nothing. On an error it has given everything back.
func New(o Options) (*Agent, error) {
	a, err := newAgent(o)
	if err == nil {
		err = a.openWorld()
	}
	if err == nil {
		err = a.assemble()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// newAgent opens what the agent remembers with and tells with.
func newAgent(o Options) (a *Agent, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a = &Agent{opts: o, log: o.Log.With("component", "agent"), registry: prometheus.NewRegistry(), started: time.Now(), inbox: newInbox()}
	a.recorder = newRecorder(a.log)
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.loop, err = newLoop(o.Config); err != nil {
		return a, err
	}
	a.interval.Store(int64(o.Config.Metrics.Interval))
	if err := a.openStores(); err != nil {
		return a, err
	}
	return a, a.openDrivers()
}

// assemble puts together what was opened, and restores what the journal knows.
func (a *Agent) assemble() error {
	a.executor = actuators.NewExecutor(actuators.Config{
		Drivers: a.drivers, Journal: a, Querier: a.senses, Meter: a.senses, Events: emitFunc(a.emit), Log: a.opts.Log,
		Updated:  a.inbox.updated,
		Owned:    a.owned,
		Diagnose: a.diagnose, Transport: a.transport,
	})
	return a.restore()
}

// Run watches, decides and acts until ctx ends. An action under way is left where a successor can
// take it up; maintenance that we switched on is switched off.
func (a *Agent) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Events outlive the others, so that what happens during the shutdown is still told.
	sinkCtx, stopSink := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSink()
	// So does the node: an action that drains it switches its maintenance off at the end.
	nodeCtx, stopNode := context.WithCancel(context.WithoutCancel(ctx))
	defer stopNode()
	var sink, node, running sync.WaitGroup
	sink.Go(func() { a.runSink(sinkCtx) })
	sink.Go(func() { a.recorder.run(sinkCtx) })
	node.Go(func() { a.runNode(nodeCtx) })
	a.announce() // while nobody but us touches the loop's state
	failed := make(chan error, len(a.parts)+1)
	for _, p := range append(slices.Clone(a.parts), part{"loop", a.runLoop}) {
		running.Go(func() {
			if err := p.run(ctx); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", p.name, err)
				stop(err)
			}
		})
	}
	<-ctx.Done()
	a.executor.Close(context.Cause(ctx))
	stopNode()
	running.Wait()
	node.Wait()
	a.takeUpdates()
	a.keepSizers()
	a.dropClaims()
	a.goodbye(context.Cause(ctx))
	stopSink()
	sink.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// Close gives back everything New opened. It is idempotent.
func (a *Agent) Close() error { return a.closer.run() }
