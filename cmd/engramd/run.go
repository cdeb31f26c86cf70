package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent"
	"github.com/engramd/engramd/agent/config"
)

func newRun(o *options) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent",
		Long: `Run the agent until SIGINT or SIGTERM. SIGHUP (or engramd reload) reads the
configuration again: a valid one is swapped in whole, a bad one is refused whole.
An action that is under way at the end is taken up again at the next start.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o, dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "decide and print plans; change nothing, whatever the configuration says")
	return cmd
}

func run(ctx context.Context, o *options, dryRun bool) error {
	reread := func() (*config.Config, error) {
		cfg, err := o.load()
		if err == nil && dryRun {
			cfg.Mode = "dry-run"
		}
		return cfg, err
	}
	cfg, err := reread()
	if err != nil {
		return err
	}
	log, err := newLogger(cfg.Log)
	if err != nil {
		return usageError{err}
	}
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "warning", w.String())
	}
	a, err := agent.New(agent.Options{Config: cfg, Reread: reread, Registry: registry(), Version: version, Log: log})
	if err != nil {
		return err
	}
	stop := reloadOnHangup(ctx, a, log)
	defer stop()
	return errors.Join(a.Run(ctx), a.Close())
}

// reloadOnHangup reloads the configuration at each SIGHUP, until stopped.
func reloadOnHangup(ctx context.Context, a *agent.Agent, log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				if _, err := a.Reload(ctx); err != nil {
					log.Error("reload refused", "error", err)
				}
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		cancel()
		<-ended
	}
}

func newLogger(cfg config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
}
