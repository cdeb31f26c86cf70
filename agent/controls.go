package agent

import (
	"slices"
	"time"

	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// expireControls ends the freezes and pauses whose time has come.
func (a *Agent) expireControls(now time.Time) {
	over := func(until time.Time) bool { return !until.IsZero() && !now.Before(until) }
	for _, f := range slices.Clone(a.loop.freezes) {
		if over(f.Until) {
			a.logError("end a freeze", a.endFreeze(f)) // this one: a freeze of everything may end before others
		}
	}
	for _, p := range slices.Clone(a.loop.pauses) {
		if over(p.Until) {
			a.logError("end a pause", a.resume(p.Target))
		}
	}
}

// unfreeze ends the freeze of a resource, or with "" every freeze of the target.
func (a *Agent) unfreeze(target string, r policy.Resource) error {
	for _, f := range slices.Clone(a.loop.freezes) {
		if f.Target != target || (r != "" && f.Resource != r) {
			continue
		}
		if err := a.endFreeze(f); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) endFreeze(f journal.Freeze) error {
	if err := a.journal.DropFreeze(f.Target, f.Resource); err != nil {
		return err
	}
	a.loop.freezes = withoutFreeze(a.loop.freezes, f.Target, f.Resource)
	a.stay(f.Target)
	a.metrics.Frozen(f.Target, f.Resource, false)
	a.emit(policy.Event{
		Type: policy.EventFreeze, Severity: policy.Info, Target: f.Target, Resource: f.Resource,
		Message: resourceName(f.Resource) + " of " + f.Target + " is no longer frozen",
	})
	return nil
}

func (a *Agent) resume(target string) error {
	if err := a.journal.DropPause(target); err != nil {
		return err
	}
	a.loop.pauses = slices.DeleteFunc(a.loop.pauses, func(p journal.Pause) bool { return p.Target == target })
	a.metrics.Paused(target, false)
	who := target
	if who == "" {
		who = "every target"
	}
	a.emit(policy.Event{Type: policy.EventPause, Severity: policy.Info, Target: target, Message: who + " is no longer paused"})
	return nil
}

func withoutFreeze(all []journal.Freeze, target string, r policy.Resource) []journal.Freeze {
	return slices.DeleteFunc(slices.Clone(all), func(f journal.Freeze) bool { return f.Target == target && f.Resource == r })
}
