package agent

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// A loop is the state of deciding. Only [Agent.runLoop]'s goroutine touches it.
type loop struct {
	cfg     *config.Config
	targets map[string]*target
	freezes []journal.Freeze
	pauses  []journal.Pause
	leaving map[string]*leaving // the targets that were released with everything of ours, by name
	looking map[string]bool     // the targets that are being looked at
	beside  sync.WaitGroup      // what was started beside the loop
	last    time.Time           // of the last tick
	took    time.Duration       // the last tick
	pruned  time.Time           // when the journal's history was pruned last
	reports reports
	learned []learned // of this tick, to be written down at its end
	windows map[string]*policy.MaintenanceWindow
	// unclosed are the actions whose outcome could not be written on their decision, by id.
	unclosed map[string]actuators.Action
	// loaded is when the configuration came into force, refused why the last reload did not.
	loaded  time.Time
	refused string
}

func newLoop(cfg *config.Config) (*loop, error) {
	windows, err := parseWindows(cfg)
	return &loop{
		cfg: cfg, targets: map[string]*target{}, looking: map[string]bool{}, unclosed: map[string]actuators.Action{},
		windows: windows, loaded: time.Now(),
	}, err
}

func parseWindows(cfg *config.Config) (map[string]*policy.MaintenanceWindow, error) {
	all := map[string]*policy.MaintenanceWindow{}
	for name, w := range cfg.Windows {
		loc, err := time.LoadLocation(w.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("maintenance window %s: %w", name, err)
		}
		if all[name], err = policy.ParseMaintenanceWindow(name, w.Cron, w.Duration, loc); err != nil {
			return nil, fmt.Errorf("maintenance window %s: %w", name, err)
		}
	}
	return all, nil
}

// names lists the targets, in order.
func (l *loop) names() []string { return slices.Sorted(maps.Keys(l.targets)) }

// runLoop decides until ctx ends, and joins what it started beside itself.
func (a *Agent) runLoop(ctx context.Context) error {
	defer a.loop.beside.Wait()
	defer close(a.inbox.done) // first: who waits for an answer waits no longer
	looks := make(chan look)
	period := a.period()
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	a.claimAll(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if p := a.period(); p != period {
				period = p
				ticker.Reset(p)
			}
			a.claimAll(ctx)
			a.beginLook(ctx, looks)
		case l := <-looks:
			a.tick(ctx, l)
		case <-a.inbox.wake:
			a.takeUpdates()
		case f := <-a.inbox.calls:
			f()
		}
	}
}

// period is how often the loop ticks: as often as the most frequent policy wants.
func (a *Agent) period() time.Duration {
	p := a.loop.cfg.Metrics.Interval
	for _, one := range a.loop.cfg.Policies {
		p = min(p, one.Every)
	}
	for _, one := range a.loop.cfg.Rightsize {
		p = min(p, one.Every)
	}
	return max(p, 100*time.Millisecond)
}

// tick decides for the targets of a look with what it saw.
func (a *Agent) tick(ctx context.Context, l look) {
	for _, name := range l.targets {
		delete(a.loop.looking, name)
	}
	if l.cfg != a.loop.cfg {
		return // it looked at what another configuration asked for
	}
	began := time.Now()
	active := a.executor.Active()
	a.takeUpdates() // after that: what has ended meanwhile is not taken for lost
	a.expireControls(l.at)
	a.prune(l.at)
	a.closeLate()
	for _, name := range l.targets {
		t := a.loop.targets[name]
		if t == nil {
			continue
		}
		a.evaluate(ctx, t, l)
		a.takeUpLost(ctx, t, active)
		a.releaseOnTurn(ctx, t)
		a.leaveOnTurn(ctx, t)
		a.decide(ctx, t, l.at)
		a.reconcile(ctx, t)
		a.own(ctx, t, l.at)
	}
	a.keepLearned()
	a.report(ctx, l.at)
	a.loop.last = l.at
	a.showMetrics(l.at)
	a.loop.took = time.Since(began) + l.took
	a.metrics.Looped(time.Now(), a.loop.took)
}

// policiesOf yields the policies of a target. Several policies may share a name, each for targets of
// its own.
func (l *loop) policiesOf(target string) iter.Seq[config.Policy] {
	return func(yield func(config.Policy) bool) {
		for _, p := range l.cfg.Policies {
			if slices.Contains(p.Targets, target) && !yield(p) {
				return
			}
		}
	}
}

// frozen returns why resources of the target are frozen.
func (l *loop) frozen(target string) map[policy.Resource]string {
	all := map[policy.Resource]string{}
	for _, f := range l.freezes {
		if f.Target != target {
			continue
		}
		if f.Resource != "" {
			all[f.Resource] = f.Reason
			continue
		}
		for _, r := range policy.Resources() {
			all[r] = f.Reason
		}
	}
	return all
}

// paused returns the pause that holds for the target, nil if none does.
func (l *loop) paused(target string) *policy.Pause {
	for _, p := range l.pauses {
		if p.Target == "" || p.Target == target {
			return &policy.Pause{Until: p.Until, Reason: p.Reason}
		}
	}
	return nil
}
