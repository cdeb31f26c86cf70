package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/agent/journal/hostlock"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/rules"
)

// Options are what an agent is made of.
type Options struct {
	Config *config.Config
	// Reread reads the configuration again, for a reload.
	Reread   func() (*config.Config, error)
	Registry actuators.Registry
	Version  string
	Log      *slog.Logger
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

	registry  *prometheus.Registry
	metrics   *events.Metrics
	sink      *events.Sink
	journal   *journal.Journal
	telemetry *telemetry.Telemetry
	rules     *rules.Evaluator
	executor  *actuators.Executor
	drivers   map[string]actuators.Driver
	locks     *hostlock.Dir
	capacity  cgroup.Capacity
	server    *api.Server
	listener  net.Listener
	probes    net.Listener // listen.metrics, nil if not configured

	loop   loop
	claims claims
	inbox  inbox
	closer teardown
}

// New opens everything an agent needs and starts nothing. On an error it has given everything back.
func New(o Options) (_ *Agent, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Agent{opts: o, log: o.Log.With("component", "agent"), registry: prometheus.NewRegistry(), started: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.inbox = newInbox()
	if err := a.openStores(); err != nil {
		return nil, err
	}
	if err := a.openDrivers(); err != nil {
		return nil, err
	}
	if err := a.openRules(); err != nil {
		return nil, err
	}
	if err := a.openServer(); err != nil {
		return nil, err
	}
	a.executor = actuators.NewExecutor(actuators.Config{
		Drivers: a.drivers, Journal: a, Querier: a.telemetry, Meter: a.telemetry, Events: a.sink, Log: o.Log,
		Updated:  a.inbox.updated,
		Owned:    a.owned,
		Diagnose: a.diagnose,
	})
	if a.loop, err = newLoop(o.Config); err != nil {
		return nil, err
	}
	if err := a.restore(); err != nil {
		return nil, err
	}
	return a, nil
}

// Run watches, decides and acts until ctx ends. An action under way is left where a successor can
// take it up; maintenance that we switched on is switched off.
func (a *Agent) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	failed := make(chan error, 4)
	part := func(name string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				err = fmt.Errorf("%s: %w", name, err)
				select {
				case failed <- err:
				default:
				}
				stop(err)
			}
		})
	}
	// Events outlive the others, so that what happens during the shutdown is still told.
	sinkCtx, stopSink := context.WithCancel(context.WithoutCancel(ctx))
	var sink sync.WaitGroup
	sink.Go(func() { a.runSink(sinkCtx) })

	part("metrics", a.telemetry.Run)
	part("rules", a.rules.Run)
	part("api", a.serve)
	part("loop", a.runLoop)
	a.announce(ctx)
	<-ctx.Done()
	a.executor.Close(context.Cause(ctx))
	running.Wait()
	a.takeUpdates()
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
