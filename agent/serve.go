package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// openServer takes the ports, so that one that is busy is an error of the start, and makes the API.
func (a *Agent) openServer(prom http.Handler) error {
	cfg := a.opts.Config
	server, err := api.New(api.Config{
		Addr: cfg.Listen.Agent, TokenFile: cfg.Auth.TokenFile,
		CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, ClientCAFile: cfg.TLS.ClientCAFile, Insecure: cfg.Listen.Insecure,
	}, a, api.Mounts{Metrics: prom, Prometheus: prom}, a.opts.Log)
	if err != nil {
		return err
	}
	if a.listener, err = a.listen(cfg.Listen.Agent, "listen.agent"); err != nil {
		return err
	}
	a.parts = append(a.parts, part{"api", func(ctx context.Context) error { return server.Run(ctx, a.listener) }})
	if cfg.Listen.Metrics == "" {
		return nil
	}
	probes, err := a.listen(cfg.Listen.Metrics, "listen.metrics")
	if err != nil {
		return err
	}
	a.parts = append(a.parts, part{"probes", func(ctx context.Context) error {
		return api.Serve(ctx, probes, server.Probes(prom), nil, a.opts.Log)
	}})
	return nil
}

func (a *Agent) listen(addr, flag string) (net.Listener, error) {
	ln, err := api.Listen(context.Background(), addr, flag)
	if err != nil {
		return nil, err
	}
	a.closer.add(func() error {
		_ = ln.Close() // Run has closed it already, mostly
		return nil
	})
	return ln, nil
}

// Addr is where the API listens.
func (a *Agent) Addr() string { return a.listener.Addr().String() }

// emit tells an event, with an id and the time if it has none yet.
func (a *Agent) emit(e policy.Event) {
	if e.ID == "" {
		e.ID = newID()
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	a.sink.Emit(e)
	a.recorder.emit(e)
}

// runSink delivers events until the very end.
func (a *Agent) runSink(ctx context.Context) {
	if err := a.sink.Run(ctx); err != nil {
		a.log.Error("events stopped", "error", fmt.Errorf("events: %w", err))
	}
}
