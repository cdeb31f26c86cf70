package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/engramd/engramd/agent"
	"github.com/engramd/engramd/agent/api"
)

// A notifier tells systemd how the agent is, where systemd started it with Type=notify. Elsewhere it
// does nothing.
type notifier struct {
	agent interface {
		Ready(ctx context.Context) error
	}
	log *slog.Logger
	// every is how often the watchdog wants to hear; 0 is no watchdog.
	every time.Duration
}

func newNotifier(a *agent.Agent, log *slog.Logger) *notifier {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("systemd's watchdog is not told", "error", err)
	}
	return &notifier{agent: a, log: log, every: every}
}

// run tells that the agent is up once its loop answers, and from then on, for the watchdog, that it still
// does. It ends with ctx, and says so.
func (n *notifier) run(ctx context.Context) {
	defer n.tell(daemon.SdNotifyStopping)
	if !n.answers(ctx) { // for as long as it takes: systemd bounds a start by itself
		return
	}
	n.tell(daemon.SdNotifyReady)
	if n.every <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(n.every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			bounded, cancel := context.WithTimeout(ctx, n.every)
			if n.answers(bounded) {
				n.tell(daemon.SdNotifyWatchdog)
			}
			cancel()
		}
	}
}

// answers waits until the loop answers, whether it is ready for its callers or not yet.
func (n *notifier) answers(ctx context.Context) bool {
	err := n.agent.Ready(ctx)
	_, not := errors.AsType[*api.Problem](err)
	return err == nil || not
}

func (n *notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("systemd was not told", "state", state, "error", err)
	}
}
