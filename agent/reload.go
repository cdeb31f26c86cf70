package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// Reload reads the configuration again and swaps it in whole, or refuses it whole. Actions under way
// keep the procedure that they were planned with.
func (a *Agent) Reload(ctx context.Context) (api.ReloadView, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.opts.Reread == nil {
		return api.ReloadView{}, api.Conflict("this agent was given its configuration by its program and has no file to read again")
	}
	next, err := a.opts.Reread()
	if err != nil {
		_, _ = call(ctx, a.inbox, func() (struct{}, error) {
			a.loop.refused = err.Error()
			return struct{}{}, nil
		})
		a.log.Error("the configuration was refused; the one before stays in force", "error", err)
		return api.ReloadView{}, refusal(err)
	}
	before, err := call(ctx, a.inbox, func() (*config.Config, error) { return a.loop.cfg, nil })
	if err != nil {
		return api.ReloadView{}, err
	}
	// Beside the loop: it waits for rules that are just being evaluated.
	if err := a.alerts.Update(next.Rules.Files); err != nil {
		return api.ReloadView{}, refusal(err)
	}
	view, err := call(ctx, a.inbox, func() (api.ReloadView, error) { return a.swap(ctx, next) })
	if err != nil {
		err = errors.Join(err, a.alerts.Update(before.Rules.Files))
	}
	return view, err
}

func refusal(err error) error {
	p := api.Invalid("the configuration was refused; the one before stays in force")
	if faults, ok := errors.AsType[config.Faults](err); ok {
		for _, f := range faults {
			p = p.WithFaults(f.Error())
		}
		return p
	}
	return p.WithFaults(err.Error())
}

// swap does everything that can fail before it changes anything.
func (a *Agent) swap(ctx context.Context, next *config.Config) (api.ReloadView, error) {
	before := a.loop.cfg
	view := api.ReloadView{Hash: next.Hash, Changed: next.Hash != before.Hash, Restart: needsRestart(before, next)}
	for _, w := range next.Warnings {
		view.Warnings = append(view.Warnings, w.String())
	}
	next.DataDir = before.DataDir // what is open stays where it is
	windows, err := parseWindows(next)
	if err != nil {
		return api.ReloadView{}, refusal(err)
	}
	added, err := a.newTargets(next)
	if err != nil {
		return api.ReloadView{}, refusal(err)
	}
	if err := a.sink.Reload(eventsConfig(next)); err != nil {
		return api.ReloadView{}, refusal(err)
	}
	if err := a.collect(a.telemetryConfig(next, added...)); err != nil {
		return api.ReloadView{}, errors.Join(refusal(err), a.sink.Reload(eventsConfig(before)))
	}
	a.loop.cfg, a.loop.windows, a.loop.loaded, a.loop.refused = next, windows, time.Now(), ""
	a.interval.Store(int64(next.Metrics.Interval))
	a.retarget(next, added)
	a.forgetPolicies()
	a.claimAll(a.acting(ctx)) // the lock comes after the request is answered
	a.log.Info("configuration loaded", "path", next.Path, "changed", view.Changed)
	a.emit(policy.Event{Type: policy.EventAgent, Severity: policy.Info, Message: "the configuration was loaded again"})
	return view, nil
}

// needsRestart names the keys that changed and are only read at the start.
func needsRestart(before, next *config.Config) []string {
	var keys []string
	add := func(changed bool, key string) {
		if changed {
			keys = append(keys, key)
		}
	}
	add(before.DataDir != next.DataDir, "data_dir")
	add(before.Listen != next.Listen, "listen")
	add(before.Auth != next.Auth, "auth")
	add(before.TLS != next.TLS, "tls")
	add(before.Log != next.Log, "log")
	add(!reflect.DeepEqual(before.Node, next.Node), "node")
	return keys
}

// newTargets makes the targets of cfg that the loop does not know yet.
func (a *Agent) newTargets(cfg *config.Config) ([]*target, error) {
	var added []*target
	for _, one := range cfg.Targets {
		if a.loop.targets[one.Name] != nil {
			continue
		}
		t, err := a.makeTarget(one)
		if err != nil {
			return nil, err
		}
		added = append(added, t)
	}
	return added, nil
}

// retarget makes the loop's targets those of cfg. A name that stands for something else by now is
// another target.
func (a *Agent) retarget(cfg *config.Config, added []*target) {
	for _, name := range a.loop.names() {
		t := a.loop.targets[name]
		one, named := cfg.Target(name)
		switch {
		case named && samePlace(t.cfg, one):
			t.reconfigure(one, a.drivers)
			a.recorder.set(t, a.drivers)
		case named:
			a.retire(t, &one, "the configuration names something else for "+name)
		default:
			a.retire(t, nil, "the target is no longer configured")
		}
	}
	for _, t := range added {
		a.addTarget(t)
	}
	a.logError("collect the targets", a.collect(a.telemetryConfig(cfg)))
}

// retire has nothing more begin on a target. It goes at once, or when what is open on it has ended,
// and makes room for its successor, if there is one.
func (a *Agent) retire(t *target, successor *config.Target, reason string) {
	t.retired, t.successor, t.views = true, successor, nil
	for _, r := range sortedKeys(t.waiting) {
		_ = a.end(t, t.waiting[r], time.Now(), actuators.Cancelled, reason) // else at the next start
	}
	a.letGo(t)
}

// samePlace reports whether two configurations of a target mean the same thing on the same platform.
func samePlace(x, y config.Target) bool {
	if !slices.Equal(x.Drivers, y.Drivers) {
		return false
	}
	for _, driver := range x.Drivers {
		is, err := json.Marshal(x.Specs[driver])
		was, otherErr := json.Marshal(y.Specs[driver])
		if err != nil || otherErr != nil || !bytes.Equal(is, was) {
			return false
		}
	}
	return true
}

// forgetPolicies drops what is remembered of policies that a target no longer has.
func (a *Agent) forgetPolicies() {
	for _, t := range a.loop.targets {
		named := map[string]bool{}
		for p := range a.loop.policiesOf(t.cfg.Name) {
			named[p.Name] = true
		}
		for name := range t.policies {
			if !named[name] {
				delete(t.policies, name)
				a.metrics.ForgetPolicy(t.cfg.Name, name)
			}
		}
	}
}
