package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/agent/journal/hostlock"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// openStores opens what the agent remembers with and tells with.
func (a *Agent) openStores() (err error) {
	cfg := a.opts.Config
	a.locks = hostlock.Dir(a.opts.LockDir)
	if a.opts.LockDir == "" {
		if a.locks, err = hostlock.Find(); err != nil {
			return err
		}
	}
	if a.capacity, err = cgroup.HostCapacity("/"); err != nil {
		return err
	}
	if a.topology, err = cgroup.Topology("/"); err != nil { // only processors cannot be chosen then
		a.log.Warn("how the processors of this host lie cannot be read", "error", err)
	}
	if a.journal, err = journal.Open(cfg.DataDir, a.opts.Log); err != nil {
		return err
	}
	a.closer.add(a.journal.Close)
	if a.holder, err = a.identity(); err != nil {
		return err
	}
	a.metrics, err = events.NewMetrics(a.registry)
	return err
}

// openWorld opens the real senses, rules, ports and the embedded node.
func (a *Agent) openWorld() error {
	cfg := a.opts.Config
	sink, err := events.New(eventsConfig(cfg), a.opts.Log, a.registry)
	if err != nil {
		return err
	}
	a.sink = sink
	if err := a.nodeToken(); err != nil { // before anybody reads it
		return err
	}
	t, err := telemetry.New(telemetry.Options{
		Dir: cfg.DataDir, Config: a.telemetryConfig(cfg), Registry: a.registry, Log: a.opts.Log,
	})
	if err != nil {
		return err
	}
	a.closer.add(t.Close)
	store := t.Storage()
	r, err := rules.New(rules.Options{
		Query: t.Query, Appendable: store, Queryable: store, Interval: cfg.Rules.Interval,
		Log: a.opts.Log, Registerer: a.registry, Notify: a.notifyAlerts,
	}, cfg.Rules.Files)
	if err != nil {
		return err
	}
	a.senses, a.alerts, a.collect, a.endpoints, a.recorded = t, r, t.Reload, t.Endpoints, t
	a.parts = append(a.parts, part{"metrics", t.Run}, part{"rules", r.Run})
	if err := a.openServer(t.Handler(a.opts.Version, r.RuleGroups)); err != nil {
		return err
	}
	return a.openNode()
}

// openDrivers opens the driver of every platform of the registry. None of them connects yet.
func (a *Agent) openDrivers() error {
	a.drivers = map[string]actuators.Driver{}
	for name, p := range a.opts.Registry {
		d, err := p.Open(a.opts.Log)
		if err != nil {
			return fmt.Errorf("open the driver for %s: %w", name, err)
		}
		a.drivers[name] = d
	}
	return nil
}

// identity tells this agent from every other one, and is the same after a restart: a platform's lock
// that it held when it was killed is its own again at once.
func (a *Agent) identity() (string, error) {
	const key = "identity"
	var id string
	if err := a.restoreMeta(key, &id); err != nil || id != "" {
		return hostname() + "_" + id, err
	}
	id = newID()
	text, err := json.Marshal(id)
	if err == nil {
		err = a.journal.PutMeta(key, text)
	}
	return hostname() + "_" + id, err
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "engramd"
	}
	return host
}

func eventsConfig(cfg *config.Config) events.Config {
	receiver := func(s *config.Sink) *events.Receiver {
		if s == nil {
			return nil
		}
		return &events.Receiver{
			URL: s.URL, HeadersFile: s.HeadersFile, CAFile: s.CAFile, Timeout: s.Timeout, MinSeverity: policy.Severity(s.MinSeverity),
		}
	}
	console := "http://" + cfg.Listen.Agent
	if cfg.TLS.CertFile != "" {
		console = "https://" + cfg.Listen.Agent
	}
	return events.Config{
		Dir: cfg.DataDir, MaxBytes: int64(cfg.Events.File.MaxBytes), Keep: cfg.Events.File.Keep, Source: hostname(),
		Alertmanager: receiver(cfg.Events.Alertmanager), Webhook: receiver(cfg.Events.Webhook),
		ConsoleURL: console,
	}
}

// telemetryConfig is what is collected: the scrapes of the configuration, and every target that the
// loop knows, retired ones included, or is about to know.
func (a *Agent) telemetryConfig(cfg *config.Config, added ...*target) telemetry.Config {
	c := telemetry.Config{Interval: cfg.Metrics.Interval, Retention: cfg.Metrics.Retention}
	for _, s := range cfg.Metrics.Scrape {
		c.Scrapes = append(c.Scrapes, telemetry.Scrape{
			Job: s.Job, URL: s.URL, Target: s.Target, Interval: s.Interval, Timeout: s.Timeout,
			HeadersFile: s.HeadersFile, BearerTokenFile: s.BearerTokenFile, CAFile: s.CAFile, ServerName: s.ServerName,
		})
	}
	for _, t := range slices.Concat(slices.Collect(maps.Values(a.loop.targets)), added) {
		c.Targets = append(c.Targets, a.measuredTarget(t))
	}
	slices.SortFunc(c.Targets, func(x, y telemetry.Target) int { return compare(x.Name, y.Name) })
	if p := cfg.Metrics.Prometheus; p != nil {
		c.Remote = &telemetry.Remote{URL: p.URL, BearerTokenFile: p.BearerTokenFile, CAFile: p.CAFile, Timeout: cfg.Metrics.Timeout}
	}
	return c
}
