package actuators

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/engramd/engramd/policy"
)

// A run is one action under way. Its goroutine alone writes the action; others read snapshots.
type run struct {
	x      *Executor
	driver Driver
	lock   chan struct{} // the target's; full while somebody has it
	holds  bool          // this run has filled it
	cancel context.CancelCauseFunc
	orders chan order
	ended  chan struct{}
	// reopened says that the action was over when this run began, to give it back.
	reopened bool
	renews   *renewal    // of the maintenance that we switched on, or nil
	onDisk   ActionState // the state last journalled
	latest   Baseline    // what was measured last since the change
	mute     bool        // it was said that the journal cannot be written

	mu     sync.Mutex
	a      Action
	claims bool // it has the target for itself, or is about to
}

// A stage is one stretch of an action's way. It returns the next one; nil ends the run, at a final
// state or, when ctx is over, where a successor can take the action up again. A part of a stage
// returns nil to go on with the stage, and over to end the run.
type stage func(ctx context.Context) stage

func over(context.Context) stage { return nil }

type orderKind int

const (
	orderSupersede orderKind = iota
	orderRollback
	orderUnneeded // roll back, unless evidence says that it is needed
)

// An order is asked of a run from outside, and served while it drains or validates.
type order struct {
	kind   orderKind
	reason string
	reply  chan answer // buffered: the run never waits for who asked
}

type answer struct {
	action Action
	err    error
}

func (r *run) loop(ctx context.Context, s stage, exclusive bool) {
	if exclusive && r.acquire(ctx) != nil {
		return
	}
	for s != nil {
		s = s(ctx)
	}
	r.stopRenewing()
}

func (r *run) snapshot() Action {
	a, _ := r.claim()
	return a
}

// claim is the action, and whether it has the target for itself.
func (r *run) claim() (Action, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.a, r.claims
}

func (r *run) setClaim(claims bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims = claims
}

// acquire waits until the target is this run's alone.
func (r *run) acquire(ctx context.Context) error {
	if r.holds {
		return nil
	}
	select {
	case r.lock <- struct{}{}:
		r.holds = true
		r.setClaim(true)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *run) release() {
	if r.holds {
		<-r.lock
		r.holds = false
		r.setClaim(false)
	}
}

// record journals the action as edit leaves it, and only then makes it so.
func (r *run) record(edit func(a *Action)) error {
	next := r.a
	edit(&next)
	if err := r.x.cfg.Journal.Put(next); err != nil {
		return fmt.Errorf("journal action %s: %w", next.ID, err)
	}
	r.onDisk, r.mute = next.State, false
	r.set(next)
	return nil
}

func (r *run) set(next Action) {
	r.mu.Lock()
	r.a = next
	r.mu.Unlock()
	if r.x.cfg.Updated != nil {
		r.x.cfg.Updated(next)
	}
}

// enter journals that the action is in state s now, and tells the world.
func (r *run) enter(s ActionState, reason string, edits ...func(a *Action)) error {
	if err := r.record(func(a *Action) { a.move(s, reason, edits) }); err != nil {
		return err
	}
	r.announce()
	return nil
}

// move is what entering a state does to an action.
func (a *Action) move(s ActionState, reason string, edits []func(a *Action)) {
	a.endProgress(time.Now())
	a.State, a.Reason = s, reason
	a.Times = append(a.Times[:len(a.Times):len(a.Times)], Transition{State: s, At: time.Now(), Reason: reason})
	for _, edit := range edits {
		edit(a)
	}
}

// announce says which state the action is in: one line for people, one event for machines.
func (r *run) announce() {
	a := r.a
	severity := policy.Info
	switch a.State {
	case Kept, Inconclusive, RollingBack, RolledBack, Superseded:
		severity = policy.Warning
	case Failed:
		severity = policy.Critical
	}
	r.x.cfg.Log.Debug("action state", "action", a.ID, "target", a.TargetName, "resource", a.Resource,
		"from", a.From, "to", a.To, "state", a.State, "reason", a.Reason)
	r.event(policy.EventState, severity, a.Reason, nil)
	if a.State == Failed {
		r.event(policy.EventFailure, policy.Critical,
			fmt.Sprintf("%s of %s is frozen: %s", a.Resource, a.TargetName, a.Reason), nil)
	}
}

func (r *run) event(kind policy.EventType, severity policy.Severity, text string, details map[string]string) {
	a := r.a
	r.x.cfg.Events.Emit(policy.Event{
		At: time.Now(), Type: kind, Severity: severity, Target: a.TargetName, Resource: a.Resource,
		Action: a.ID, Decision: a.Decision.ID, From: a.From, To: a.To, Outcome: a.State,
		Message: text, Details: maps.Clone(details),
	})
}

// step tells of one thing done to the target; op is do, undo, verify, drain, health, smoke, backup,
// retry or finish.
func (r *run) step(op, text string) {
	r.event(policy.EventStep, policy.Info, text, map[string]string{"op": op})
}

// end brings the action to the final state s. The target is as it will be by now, so a journal that
// cannot take the record changes nothing about that: it is tried again until it can, or the run ends.
func (r *run) end(ctx context.Context, s ActionState, reason string, edits ...func(a *Action)) stage {
	_, finishes := r.driver.(Finisher)
	edits = append(edits, func(a *Action) { a.Unfinished = finishes && s != Kept && Stays(s) })
	err := r.enter(s, reason, edits...)
	r.release()
	if err != nil {
		next := r.a
		next.move(s, reason, edits)
		r.set(next)
		r.announce()
		r.unjournalled(err)
		if r.insist(ctx, func(*Action) {}) != nil {
			return over
		}
	}
	if r.a.Unfinished {
		return r.finish
	}
	return over
}

// unjournalled says loudly, once, that the journal cannot be written.
func (r *run) unjournalled(err error) {
	if r.mute {
		return
	}
	r.mute = true
	remedy := "make room or repair the disk of data_dir"
	if errors.Is(err, ErrUnrecorded) {
		remedy = "see that the platform answers (for Kubernetes the API server), and that engramd may write there"
	}
	r.event(policy.EventFailure, policy.Critical, fmt.Sprintf("%v; %s: until then nothing is changed", err, remedy), nil)
}

// insist journals edit however often that takes, until ctx is over.
func (r *run) insist(ctx context.Context, edit func(a *Action)) error {
	pause := firstPause
	for {
		err := r.record(edit)
		if err == nil {
			return nil
		}
		if sleep(ctx, pause) != nil {
			r.x.cfg.Log.Error("action not journalled", "action", r.a.ID, "state", r.a.State, slog.Any("error", err))
			return err
		}
		pause = longer(pause)
	}
}

// finish clears away what was kept for an undo.
func (r *run) finish(ctx context.Context) stage {
	if r.acquire(ctx) != nil {
		return nil // unfinished in the journal
	}
	steps := append(r.a.Earlier[:len(r.a.Earlier):len(r.a.Earlier)], r.a.Plan.Steps...)
	err := r.timed("finish", "", "clear away what was kept for an undo", func() error {
		return r.retry(ctx, "finish", r.x.cfg.UndoFor, func(ctx context.Context) error {
			return r.driver.(Finisher).Finish(ctx, r.a.Target, steps)
		})
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		r.event(policy.EventStep, policy.Warning, fmt.Sprintf("leftovers of the change stay: %v", err), map[string]string{"op": "finish"})
		return nil
	}
	r.insist(ctx, func(a *Action) { a.Unfinished = false })
	return nil
}
