package agent

import (
	"context"
	"errors"
	"os"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
)

// A measurer is a driver that can tell what a part uses which has no process on this host.
type measurer interface {
	Measure(ctx context.Context, t policy.Target, p actuators.Part) (cgroup.Stats, error)
}

// measuredTarget is the target as the collectors read it.
func (a *Agent) measuredTarget(t *target) telemetry.Target {
	one := telemetry.Target{Name: t.cfg.Name, Observe: t.observer.observe, PerPart: len(a.reconcilers(t)) > 0, Gauges: a.gauges(t)}
	if a.node.host != nil && config.SameNode(t.cfg.NodeURL, a.node.host.URL()) {
		one.PID = os.Getpid()
	}
	if len(t.cfg.Drivers) == 0 {
		return one
	}
	if d, ok := a.drivers[t.cfg.Drivers[0]].(measurer); ok {
		one.Measure = func(ctx context.Context, p actuators.Part) (cgroup.Stats, error) {
			return d.Measure(ctx, t.observer.target(), p)
		}
	}
	return one
}

// gauges asks every driver of a target for what it measures by itself, nil if none does.
func (a *Agent) gauges(t *target) func(context.Context) ([]actuators.Gauge, error) {
	var all []actuators.Gauger
	for _, name := range t.cfg.Drivers {
		if d, ok := a.drivers[name].(actuators.Gauger); ok {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return func(ctx context.Context) ([]actuators.Gauge, error) {
		var found []actuators.Gauge
		var errs []error
		for _, d := range all {
			one, err := d.Gauges(ctx, t.observer.target())
			found, errs = append(found, one...), append(errs, err)
		}
		return found, errors.Join(errs...)
	}
}

// target is the target as it is configured now.
func (o *observer) target() policy.Target {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cfg.Target
}
