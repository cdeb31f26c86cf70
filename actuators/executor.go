package actuators

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Errors of an [Executor]'s methods.
var (
	// ErrBusy says that another action has the target for itself right now, or that one of the same
	// resource is still validating; try again later, or call [Executor.Supersede] first.
	ErrBusy = errors.New("target busy")
	// ErrNotRunning says that the executor does not hold that action, or not in a state that allows
	// what was asked.
	ErrNotRunning = errors.New("no such action under way")
	// ErrClosed says that the executor was closed.
	ErrClosed = errors.New("executor closed")
)

// Config is what an [Executor] works with. Drivers, Journal and Events are required; a zero duration
// means its default.
type Config struct {
	Drivers map[string]Driver // by Action.Driver
	Journal Journal
	Querier Querier // nil: every expression is unknown
	Meter   Meter   // nil: nothing is measured
	Events  EventSink
	Log     *slog.Logger

	// Updated is called after each transition of an action, and after anything else about it that
	// lasts changed, in order and from the action's own goroutine. It must not call the executor's
	// blocking methods ([Executor.Supersede], [Executor.Close]).
	Updated func(Action)
	// Owned is asked right before every Do and Undo: an error means that another agent has the
	// target now, and stops the action where it is, for that agent to recover. Nil always owns.
	Owned func(ctx context.Context, a Action) error
	// Diagnose looks for the bottleneck of a target whose growth had no effect, in a few words.
	Diagnose func(ctx context.Context, a Action) string
	// Transport carries drain, health and smoke requests; nil is one without proxy and keep-alive,
	// since they go to the target itself.
	Transport http.RoundTripper

	// CallTimeout bounds one call of a driver (2 min; a restart's stop timeout is added).
	CallTimeout time.Duration
	// RetryFor bounds how long a step is retried for ErrTransient (2 min), UndoFor the same for an
	// undo (15 min): giving up on an undo needs a person.
	RetryFor time.Duration
	UndoFor  time.Duration
	// Grace is how long a stop waits for steps that are under way (20 s).
	Grace time.Duration
}

func (c *Config) ensureDefaults() {
	setDefault := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	setDefault(&c.CallTimeout, 2*time.Minute)
	setDefault(&c.RetryFor, 2*time.Minute)
	setDefault(&c.UndoFor, 15*time.Minute)
	setDefault(&c.Grace, 20*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("component", "executor")
	if c.Transport == nil {
		c.Transport = &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders}
	}
}

// An Executor takes actions from draining to their end, each in a goroutine of its own. At most one
// action a target is in an [Exclusive] state; validating ones of other resources go on beside it.
//
// New starts nothing. [Executor.Close] stops every action where a successor can take it up again,
// and joins their goroutines.
type Executor struct {
	cfg Config

	mu     sync.Mutex
	runs   map[string]*run          // by action id
	locks  map[string]chan struct{} // by target: full while a run has it for itself
	closed bool
	wg     sync.WaitGroup
}

// NewExecutor returns an executor; it starts nothing.
func NewExecutor(cfg Config) *Executor {
	cfg.ensureDefaults()
	return &Executor{cfg: cfg, runs: map[string]*run{}, locks: map[string]chan struct{}{}}
}

// Start takes a, which the agent has decided to run now, and carries it out: revalidates the plan,
// drains for a restart, applies, reads back and validates. It returns at once; [Config.Updated]
// tells the rest. The action stops where it is when ctx ends or the executor is closed; ctx should
// live as long as the agent.
func (x *Executor) Start(ctx context.Context, a Action) error {
	if a.State != Proposed && a.State != Waiting && a.State != "" {
		return fmt.Errorf("start action %s: it is %s already", a.ID, a.State)
	}
	return x.launch(ctx, a, (*run).begin, true)
}

// Recover takes up an action that an earlier process left in the journal, and ends it as the state
// it was left in requires. It returns at once. Actions for which [NeedsRecovery] is false are
// refused.
func (x *Executor) Recover(ctx context.Context, a Action) error {
	if !NeedsRecovery(a) {
		return fmt.Errorf("recover action %s: nothing to recover in state %s", a.ID, a.State)
	}
	return x.launch(ctx, a, (*run).recover, Exclusive(a.State))
}

// NeedsRecovery reports whether a, as found in the journal at start, is the executor's to bring to
// its end: it was under way, or it was committed and its leftovers were not cleared away yet.
func NeedsRecovery(a Action) bool {
	switch a.State {
	case Draining, Applying, Verifying, Validating, RollingBack:
		return true
	}
	return Stays(a.State) && a.Unfinished
}

// Undo gives a change that is over back, because an alert fired soon after: a plain undo of its
// journalled steps, with all the safety of a rollback. Somebody else's value is left alone, and so is
// a growth that evidence says is needed. Undo the newest action of a resource first. A restart whose
// leftovers were cleared away may be refused by the driver; plan a change back to From instead, as
// for a release.
func (x *Executor) Undo(ctx context.Context, a Action, reason string) error {
	if !Stays(a.State) {
		return fmt.Errorf("undo action %s: %w: it is %s", a.ID, ErrNotRunning, a.State)
	}
	return x.launch(ctx, a, func(r *run) stage { r.reopened = true; return r.giveBack(reason) }, true)
}

// Supersede ends a validating action because a further growth of the same resource is about to
// start: it judges the effect so far. Shown, the action ends committed and its To is the new From;
// otherwise it ends superseded. [Action.Follows] carries what the new action must know of it.
func (x *Executor) Supersede(ctx context.Context, id string) (Action, error) {
	return x.order(ctx, id, order{kind: orderSupersede})
}

// Rollback takes a validating action back, or aborts a draining one: a person asked for it. It
// returns once the action has accepted; [Config.Updated] tells how it ended.
func (x *Executor) Rollback(ctx context.Context, id, reason string) error {
	_, err := x.order(ctx, id, order{kind: orderRollback, reason: reason})
	return err
}

// RollbackUnneeded is Rollback for an alert: a growth that evidence says is needed is not taken back,
// but ends insufficient.
func (x *Executor) RollbackUnneeded(ctx context.Context, id, reason string) error {
	_, err := x.order(ctx, id, order{kind: orderUnneeded, reason: reason})
	return err
}

// Active returns the actions under way, by id.
func (x *Executor) Active() []Action {
	x.mu.Lock()
	runs := make([]*run, 0, len(x.runs))
	for _, r := range x.runs {
		runs = append(runs, r)
	}
	x.mu.Unlock()
	actions := make([]Action, 0, len(runs))
	for _, r := range runs {
		actions = append(actions, r.snapshot())
	}
	slices.SortFunc(actions, func(a, b Action) int { return cmp.Compare(a.ID, b.ID) })
	return actions
}

// Close stops every action and waits for their goroutines. It starts no undo: what is validating
// stays validating in the journal, steps under way get [Config.Grace], and maintenance that we
// switched on is switched off. Close is idempotent.
func (x *Executor) Close(cause error) {
	x.mu.Lock()
	x.closed = true
	for _, r := range x.runs {
		r.cancel(cause)
	}
	x.mu.Unlock()
	x.wg.Wait()
}

// launch starts a's goroutine at first, once the target is free.
func (x *Executor) launch(ctx context.Context, a Action, first func(*run) stage, exclusive bool) error {
	driver, ok := x.cfg.Drivers[a.Driver]
	if !ok {
		return fmt.Errorf("action %s on %s: no driver %q in this agent", a.ID, a.TargetName, a.Driver)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	if err := x.free(a, exclusive); err != nil {
		return err
	}
	lock := x.lockOf(a.TargetName)
	ctx, cancel := context.WithCancelCause(ctx)
	r := &run{x: x, a: a, driver: driver, lock: lock, claims: exclusive, cancel: cancel, orders: make(chan order), ended: make(chan struct{})}
	begin := first(r)
	x.runs[a.ID] = r
	x.wg.Go(func() {
		r.loop(ctx, begin, exclusive)
		x.forget(r)
	})
	return nil
}

// Alone runs fn while no action has the target for itself; what begins meanwhile waits for it. It
// returns [ErrBusy] at once if one has it now.
func (x *Executor) Alone(ctx context.Context, target string, fn func(context.Context) error) error {
	lock, err := x.tryLock(target)
	if err != nil {
		return err
	}
	defer func() { <-lock }()
	return fn(ctx)
}

func (x *Executor) tryLock(target string) (chan struct{}, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, ErrClosed
	}
	for id, r := range x.runs {
		if other, claims := r.claim(); claims && other.TargetName == target {
			return nil, fmt.Errorf("%w: action %s is changing %s", ErrBusy, id, target)
		}
	}
	lock := x.lockOf(target)
	select {
	case lock <- struct{}{}:
		return lock, nil
	default:
		return nil, fmt.Errorf("%w: something else is changing %s", ErrBusy, target)
	}
}

// lockOf is the lock of a target; x.mu is held.
func (x *Executor) lockOf(target string) chan struct{} {
	lock := x.locks[target]
	if lock == nil {
		lock = make(chan struct{}, 1)
		x.locks[target] = lock
	}
	return lock
}

// free refuses an action while the same one, or another of the same resource, is under way, and an
// exclusive one while another has the target for itself. One that only clears its leftovers away is
// waited for.
func (x *Executor) free(a Action, exclusive bool) error {
	for id, r := range x.runs {
		other, claims := r.claim()
		switch {
		case id == a.ID:
			return fmt.Errorf("%w: action %s is under way already", ErrBusy, id)
		case other.TargetName != a.TargetName || Final(other.State) && !r.reopened:
		case other.Resource == a.Resource:
			return fmt.Errorf("%w: action %s on %s of %s is %s", ErrBusy, id, a.Resource, a.TargetName, other.State)
		case exclusive && claims:
			return fmt.Errorf("%w: action %s is changing %s", ErrBusy, id, a.TargetName)
		}
	}
	return nil
}

func (x *Executor) forget(r *run) {
	r.cancel(nil)
	r.release()
	close(r.ended)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.runs, r.a.ID)
}

// order hands o to the run of the action and waits for its answer.
func (x *Executor) order(ctx context.Context, id string, o order) (Action, error) {
	x.mu.Lock()
	r := x.runs[id]
	x.mu.Unlock()
	if r == nil {
		return Action{}, fmt.Errorf("%w: %s", ErrNotRunning, id)
	}
	switch a := r.snapshot(); a.State {
	case Draining, Validating, Verifying: // that one listens in a moment, and the journal may say so already
	default:
		return Action{}, fmt.Errorf("%w: %s is %s", ErrNotRunning, id, a.State)
	}
	o.reply = make(chan answer, 1)
	select {
	case r.orders <- o:
	case <-r.ended:
		return Action{}, fmt.Errorf("%w: %s just ended", ErrNotRunning, id)
	case <-ctx.Done():
		return Action{}, context.Cause(ctx)
	}
	select {
	case got := <-o.reply:
		return got.action, got.err
	case <-ctx.Done():
		return Action{}, context.Cause(ctx)
	}
}

// Follows makes a the successor of old, a growth of the same resource that [Executor.Supersede] just
// ended: if old committed, a starts from its To; if it was superseded, a is measured against, and
// rolls back to, what was there before old.
func (a *Action) Follows(old Action) {
	if old.State != Superseded {
		a.First = a.From
		return
	}
	a.First = old.First
	a.Earlier = append(slices.Clone(old.Earlier), old.Plan.Steps[:old.Done]...)
	a.Baseline = old.Baseline
}

// PartIDsOf returns who the parts of st are, for [Action.Parts].
func PartIDsOf(st State) []PartID {
	ids := make([]PartID, 0, len(st.Parts))
	for _, p := range st.Parts {
		ids = append(ids, PartID{ID: p.ID, Name: p.Name, StartedAt: p.StartedAt, Life: p.Life})
	}
	return ids
}
