package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// leaveTimeout bounds how long a platform may take to remove our marks from a target.
const leaveTimeout = time.Minute

// A leaving says that a target was released, so that nothing of ours stays on its platform: first every
// size is given back, then the driver removes its marks, and last goes the lock. It lasts until somebody
// unfreezes the target.
type leaving struct {
	By     string          `json:"by"`
	At     time.Time       `json:"at"`
	Driver string          `json:"driver"`
	Spec   json.RawMessage `json:"spec"`
	Done   bool            `json:"done,omitempty"`

	busy bool // the marks are being removed
}

const leavingKey = "leaving"

// isLeft reports whether the target's lock is not to be taken.
func (l *loop) isLeft(target string) bool {
	one := l.leaving[target]
	return one != nil && (one.Done || one.busy)
}

// putLeaving remembers who is being left, over a restart, too.
func (a *Agent) putLeaving() error {
	text, err := json.Marshal(a.loop.leaving)
	if err == nil {
		err = a.journal.PutMeta(leavingKey, text)
	}
	return err
}

// restoreLeaving takes up the targets that were being left, also those that are no longer configured.
func (a *Agent) restoreLeaving() error {
	if err := a.restoreMeta(leavingKey, &a.loop.leaving); err != nil {
		return err
	}
	for _, name := range sortedKeys(a.loop.leaving) {
		one := a.loop.leaving[name]
		if a.loop.targets[name] != nil || one.Done {
			continue
		}
		if _, err := a.adopt(actuators.Action{TargetName: name, Driver: one.Driver, SpecJSON: one.Spec}); err != nil {
			a.log.Error("what is left of engramd on a target cannot be removed", "target", name, "error", err)
		}
	}
	return nil
}

// marked reports whether a driver of the target leaves marks on its platform.
func (a *Agent) marked(t *target) bool {
	return slices.ContainsFunc(t.cfg.Drivers, func(name string) bool {
		_, releases := a.drivers[name].(actuators.Releaser)
		_, locks := a.drivers[name].(actuators.Locker)
		return releases || locks
	})
}

// leave begins to leave a target whose driver leaves marks: it is frozen as a whole, since to act on it
// again would need its lock.
func (a *Agent) leave(t *target, by string) error {
	if !a.marked(t) || a.loop.leaving[t.cfg.Name] != nil {
		return nil
	}
	spec, err := t.specJSON(t.cfg.Drivers[0])
	if err != nil {
		return err
	}
	if a.loop.leaving == nil {
		a.loop.leaving = map[string]*leaving{}
	}
	a.loop.leaving[t.cfg.Name] = &leaving{By: by, At: time.Now(), Driver: t.cfg.Drivers[0], Spec: spec}
	if err := a.putLeaving(); err != nil {
		delete(a.loop.leaving, t.cfg.Name)
		return err
	}
	a.keepAsItIs(t, "", by)
	return nil
}

// leavingView says how far the leaving of a target of which nothing else is to be given back has come.
func (a *Agent) leavingView(t *target) api.ReleaseView {
	v := api.ReleaseView{Target: t.cfg.Name, Detail: "no size of it was changed; our lock and marks on its platform go now; frozen: engramd unfreeze " + t.cfg.Name + " lets engramd act again"}
	if reason, _ := t.claim.standby(); reason != "" {
		v.Detail = "frozen; what is ours on its platform goes as soon as it can: " + reason
	}
	if one := a.loop.leaving[t.cfg.Name]; one != nil && one.Done {
		v.Done, v.Detail = true, "nothing of engramd is left on it"
	}
	return v
}

// stay ends the leaving of a target that is not frozen any more.
func (a *Agent) stay(target string) {
	frozen := len(a.loop.frozen(target)) > 0
	if one := a.loop.leaving[target]; one == nil || one.busy || frozen {
		return
	}
	delete(a.loop.leaving, target)
	a.logError("forget that a target was left", a.putLeaving())
}

// leaveOnTurn removes our marks from a target that was released, once every size was given back. What
// fails is tried again at the next turn.
func (a *Agent) leaveOnTurn(ctx context.Context, t *target) {
	a.stay(t.cfg.Name)
	one := a.loop.leaving[t.cfg.Name]
	if one == nil || one.Done || one.busy || len(t.running)+len(t.leftovers)+len(t.releases) > 0 || t.claim.ask() != nil || t.claim.isLooking() {
		return
	}
	originals, err := a.journal.Originals(t.cfg.Name)
	if err != nil || len(originals) > 0 {
		a.logError("read the originals", err)
		return
	}
	one.busy = true
	drivers, known := t.cfg.Drivers, t.cfg.Target
	a.loop.beside.Go(func() {
		err := a.removeMarks(ctx, t.claim, drivers, known, one.By)
		_, _ = call(ctx, a.inbox, func() (struct{}, error) {
			a.left(t, one, err)
			return struct{}{}, nil
		})
	})
}

// removeMarks has the drivers of a target remove everything of ours, and gives the lock back. It runs
// beside the loop.
func (a *Agent) removeMarks(ctx context.Context, c *claim, drivers []string, t policy.Target, by string) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	err := a.executor.Alone(ctx, t.Name, func(ctx context.Context) error {
		if err := c.check(); err != nil {
			return err
		}
		for _, name := range drivers {
			if d, ok := a.drivers[name].(actuators.Releaser); ok {
				if err := d.Release(ctx, t); err != nil && !errors.Is(err, actuators.ErrNotFound) {
					return fmt.Errorf("remove what is ours from %s: %w", t.Name, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.rest(fmt.Sprintf("it was released by %s; engramd unfreeze %s has it taken up again", by, t.Name))
}

// left takes in how it went.
func (a *Agent) left(t *target, one *leaving, err error) {
	one.busy = false
	switch {
	case errors.Is(err, actuators.ErrBusy): // at the next turn
		return
	case err != nil:
		if t.says("leaving", err) {
			a.log.Warn("what is ours on a target cannot be removed yet; it is tried again", "target", t.cfg.Name, "error", err)
			a.emit(policy.Event{
				Type: policy.EventFailure, Severity: policy.Warning, Target: t.cfg.Name,
				Message: "what is left of engramd cannot be removed yet; it is tried again: " + err.Error(),
			})
		}
		return
	}
	one.Done = true
	a.logError("keep that a target was left", a.putLeaving())
	a.log.Info("nothing of ours is left on a target", "target", t.cfg.Name)
	a.emit(policy.Event{Type: policy.EventAgent, Severity: policy.Info, Target: t.cfg.Name, Message: "nothing of engramd is left on " + t.cfg.Name})
	a.stay(t.cfg.Name)
	a.letGo(t)
}
