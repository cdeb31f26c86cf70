package agent

import (
	"cmp"
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// driftTicks is how many ticks in a row configured and effective size must differ before anything is
// said: a change of the platform's own takes a moment.
const driftTicks = 3

// watchOthers notices what somebody else did to a target between our actions: a change of ours taken
// back, and a size that holds although another was configured.
func (a *Agent) watchOthers(t *target, now time.Time) {
	if len(t.running) > 0 {
		return
	}
	for r, one := range t.committed {
		a.watchReversal(t, r, one, now)
	}
	a.watchDrift(t)
}

// watchReversal freezes a resource whose changes were taken back twice.
func (a *Agent) watchReversal(t *target, r policy.Resource, one actuators.Action, now time.Time) {
	state := t.observer.last(one.Driver).state
	if _, fluid := a.drivers[one.Driver].(actuators.Reconciler); fluid {
		state = actuators.Of(one, state) // a new pod may bear an old one's name
	}
	if !actuators.Reversed(one, state, now) {
		return
	}
	one.ReversedAt = now
	a.logError("keep a reversal", a.journal.Put(one)) // it is over: beside the lock there is nothing of it
	delete(t.committed, r)
	a.emit(policy.Event{
		Type: policy.EventReversal, Severity: policy.Warning, Target: t.cfg.Name, Resource: r, Action: one.ID, From: one.From, To: one.To,
		Message: fmt.Sprintf("somebody took %s of %s back from %s to %s", r, t.cfg.Name, r.Format(one.To), r.Format(one.From)),
	})
	history, err := a.journal.Actions(journal.ActionFilter{Target: t.cfg.Name, Resource: r, Since: now.Add(-actuators.ReversalPeriod)})
	if err != nil {
		a.logError("count the reversals", err)
		return
	}
	if n := actuators.Reversals(history, t.cfg.Name, r, now); n >= actuators.ReversalsToFreeze {
		a.freeze(journal.Freeze{
			Target: t.cfg.Name, Resource: r, By: "engramd", At: now,
			Reason: fmt.Sprintf("its changes were taken back %d times within 7 days: somebody else decides about it", n),
		}, policy.Critical)
	}
}

// A drift is what a part has of a resource, although it was configured with something else.
type drift struct{ want, has policy.Quantity }

// watchDrift says, once, when what holds in any part is not what was configured.
func (a *Agent) watchDrift(t *target) {
	now := t.drifts()
	for r := range t.drift {
		if _, still := now[r]; !still {
			delete(t.drift, r)
		}
	}
	for _, r := range sortedKeys(now) {
		t.drift[r]++
		if t.drift[r] != driftTicks {
			continue
		}
		d := now[r]
		a.emit(policy.Event{
			Type: policy.EventDrift, Severity: policy.Warning, Target: t.cfg.Name, Resource: r, From: d.want, To: d.has,
			Message: cmp.Or(a.platformsSay(t, r), fmt.Sprintf("%s of %s is configured as %s, but %s holds: a parent's limit, or something else wrote it", r, t.cfg.Name, r.Format(d.want), r.Format(d.has))),
		})
	}
}

// drifts finds the resources of which some part has something else than it was configured with.
func (t *target) drifts() map[policy.Resource]drift {
	found := map[policy.Resource]drift{}
	for _, name := range t.cfg.Drivers {
		for _, p := range t.observer.last(name).state.Parts {
			for r, want := range p.Configured {
				w, limited := want.Amount()
				h, known := p.Effective[r].Amount()
				_, pinned := want.Set()
				has, shown := p.Effective[r]
				if limited && known && !near(w, h) || pinned && shown && !actuators.Same(r, has, want) {
					found[r] = drift{want, p.Effective[r]}
				}
			}
		}
	}
	return found
}

// near allows for the rounding of platforms: 1%.
func near(x, y int64) bool {
	d := x - y
	if d < 0 {
		d = -d
	}
	return d*100 <= max(x, y)
}
