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
	"github.com/engramd/engramd/agent/nodehost"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/policy"
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
	cfg, err := o.load()
	if err != nil {
		return err
	}
	log, err := newLogger(cfg.Log)
	if err != nil {
		return usageError{err}
	}
	var memory threads.MemoryPolicy
	if cfg.Node.Enabled {
		if memory, err = nodehost.Prepare(cfg.Node, log); err != nil {
			return err
		}
	}
	complete := func(cfg *config.Config) (*config.Config, error) {
		if dryRun {
			cfg.Mode = policy.DryRun
		}
		return o.discover(ctx, cfg, log)
	}
	reread := func() (*config.Config, error) {
		cfg, err := o.load()
		if err != nil {
			return nil, err
		}
		return complete(cfg)
	}
	if cfg, err = complete(cfg); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "warning", w.String())
	}
	a, err := agent.New(agent.Options{Config: cfg, Reread: reread, Registry: registry(), Version: version, Memory: memory, Log: log})
	if err != nil {
		return err
	}
	stop := reloadOnHangup(ctx, a, log)
	defer stop()
	told := make(chan struct{})
	telling, ended := context.WithCancel(ctx)
	go func() {
		defer close(told)
		newNotifier(a, log).run(telling)
	}()
	err = a.Run(ctx)
	ended()
	<-told
	return errors.Join(err, a.Close())
}

// discover adds what runs on this host, if the configuration wants it, and says what it sees.
func (o *options) discover(ctx context.Context, cfg *config.Config, log *slog.Logger) (*config.Config, error) {
	if !cfg.Discover {
		return cfg, nil
	}
	found := find(ctx, local(), func(platform string, err error) {
		log.Info("nothing was discovered", "platform", platform, "reason", err)
	})
	for platform, all := range found {
		for _, f := range all {
			log.Info("discovered", "platform", platform, "name", f.Name, "note", f.Note)
		}
	}
	return config.WithFound(cfg, found, registry())
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
