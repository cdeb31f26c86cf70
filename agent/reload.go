package agent

import (
	"context"
	"errors"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// Reload reads the configuration again and swaps it in whole, or refuses it whole. Actions under way
// keep the procedure that they were planned with.
func (a *Agent) Reload(ctx context.Context) (api.ReloadView, error) {
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
	return call(ctx, a.inbox, func() (api.ReloadView, error) { return a.swap(next) })
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
func (a *Agent) swap(next *config.Config) (api.ReloadView, error) {
	before := a.loop.cfg
	view := api.ReloadView{Hash: next.Hash, Changed: next.Hash != before.Hash, Restart: needsRestart(before, next)}
	for _, w := range next.Warnings {
		view.Warnings = append(view.Warnings, w.String())
	}
	windows, err := parseWindows(next)
	if err != nil {
		return api.ReloadView{}, refusal(err)
	}
	if err := a.sink.Reload(eventsConfig(next)); err != nil {
		return api.ReloadView{}, refusal(err)
	}
	if err := a.alerts.Update(next.Rules.Files); err != nil {
		return api.ReloadView{}, errors.Join(refusal(err), a.sink.Reload(eventsConfig(before)))
	}
	if err := a.retarget(next); err != nil {
		return api.ReloadView{}, errors.Join(refusal(err), a.alerts.Update(before.Rules.Files), a.sink.Reload(eventsConfig(before)), a.retarget(before))
	}
	a.loop.cfg, a.loop.windows, a.loop.loaded, a.loop.refused = next, windows, time.Now(), ""
	a.forgetPolicies()
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
	return keys
}

// retarget makes the loop's targets those of cfg. A target that is gone is kept while an action of it
// is open.
func (a *Agent) retarget(cfg *config.Config) error {
	for _, one := range cfg.Targets {
		if t := a.loop.targets[one.Name]; t != nil {
			t.reconfigure(one, a.drivers)
			continue
		}
		if err := a.addTarget(one); err != nil {
			return err
		}
	}
	for _, name := range a.loop.names() {
		if _, still := cfg.Target(name); still {
			continue
		}
		t := a.loop.targets[name]
		t.retired = true
		for _, w := range t.waiting {
			a.end(t, w, time.Now(), "cancelled", "the target is no longer configured")
		}
		if len(t.running) == 0 {
			a.logError("give a target's lock back", t.claim.release())
			delete(a.loop.targets, name)
			a.metrics.Forget(name)
		}
	}
	return a.collect(a.telemetryConfig(cfg))
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
